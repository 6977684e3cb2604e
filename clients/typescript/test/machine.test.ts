import { expect, test } from 'vitest';
import { step, TABLE, type Input } from '../src/machine.ts';
import type { State } from '../src/index.ts';

const greeting = {
  connection_id: 'n1',
  user_id: 'alice',
  organization_id: 'acme',
  roles: ['agent'],
  expires_at: 2_000,
  heartbeat_ms: 25_000,
  silence_ms: 60_000,
  time: 1_000,
};
const open: State = {
  name: 'open',
  transport: 'websocket',
  connectionId: 'n0',
  userId: 'alice',
  organizationId: 'acme',
  roles: [],
  expiresAt: 9,
  since: 1,
};
const STATES: Record<State['name'], State> = {
  closed: { name: 'closed', code: 4200 },
  connecting: { name: 'connecting', attempt: 3 },
  authenticating: { name: 'authenticating', transport: 'websocket', attempt: 3 },
  open,
  backoff: { name: 'backoff', attempt: 3, until: 5 },
};
const INPUTS: Record<Input['name'], Input> = {
  connect: { name: 'connect' },
  close: { name: 'close' },
  opened: { name: 'opened', transport: 'webtransport' },
  accepted: { name: 'accepted', transport: 'webtransport', greeting, now: 500 },
  renewed: { name: 'renewed', roles: ['admin'], expiresAt: 77 },
  lost: { name: 'lost', attempt: 4, until: 99, code: 4001, reason: 'slow' },
  refused: { name: 'refused', code: 4200, reason: 'no' },
  due: { name: 'due' },
  wake: { name: 'wake' },
  redial: { name: 'redial' },
};
const opened: State = { ...open, transport: 'webtransport', connectionId: 'n1', roles: ['agent'], expiresAt: 2_000, since: 500 };
const refused: State = { name: 'closed', code: 4200, reason: 'no' };
const waiting: State = { name: 'backoff', attempt: 4, until: 99, code: 4001, reason: 'slow' };

/** What must come of each state and input; of all others nothing. */
const EXPECTED: Record<State['name'], Partial<Record<Input['name'], [State, string]>>> = {
  closed: { connect: [{ name: 'connecting', attempt: 1 }, 'dial'] },
  connecting: {
    opened: [{ name: 'authenticating', transport: 'webtransport', attempt: 3 }, 'none'],
    redial: [{ name: 'connecting', attempt: 3 }, 'dial'],
    lost: [waiting, 'wait'],
    refused: [refused, 'end'],
    close: [{ name: 'closed' }, 'end'],
  },
  authenticating: {
    accepted: [opened, 'adopt'],
    redial: [{ name: 'connecting', attempt: 3 }, 'dial'],
    lost: [waiting, 'wait'],
    refused: [refused, 'end'],
    close: [{ name: 'closed' }, 'end'],
  },
  open: {
    accepted: [opened, 'adopt'],
    renewed: [{ ...open, roles: ['admin'], expiresAt: 77 }, 'none'],
    wake: [open, 'probe'],
    redial: [open, 'upgrade'],
    lost: [waiting, 'wait'],
    refused: [refused, 'end'],
    close: [{ name: 'closed' }, 'end'],
  },
  backoff: {
    connect: [{ name: 'connecting', attempt: 3 }, 'dial'],
    due: [{ name: 'connecting', attempt: 3 }, 'dial'],
    wake: [{ name: 'connecting', attempt: 3 }, 'dial'],
    redial: [{ name: 'connecting', attempt: 3 }, 'dial'],
    close: [{ name: 'closed' }, 'end'],
  },
};

for (const state of Object.values(STATES)) {
  for (const input of Object.values(INPUTS)) {
    test(`${state.name}, ${input.name}`, () => {
      expect(step(state, input)).toEqual(EXPECTED[state.name][input.name]);
    });
  }
}

test('every state can be left, and closed is reached from everywhere', () => {
  for (const [name, row] of Object.entries(TABLE)) {
    expect(Object.values(row).some(([next]) => next !== name)).toBe(true);
    if (name !== 'closed') expect(row.close).toEqual(['closed', 'end']);
  }
});

test('what changes nothing leaves the very object', () => {
  expect(step(open, { name: 'wake' })?.[0]).toBe(open);
});
