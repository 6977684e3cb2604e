// Whose a session is, and which token it goes on with: the server says both.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { askWho, ownerOf, type Said } from '../src/session/identity';
import { Session } from '../src/session/session';

interface Made {
  state: { name: string };
  options: { token: (why: { reason: string }) => string; store: { get: (key: string) => Promise<unknown> } };
  connects: number;
  emit: (state: { name: string }) => void;
}

/** Clients that do what the test says. */
const made = vi.hoisted(() => ({ clients: [] as Made[] }));
vi.mock('fanfare-client', async (original) => {
  const { FanfareError, memoryStore } = await original<typeof import('fanfare-client')>();
  class Client {
    state = { name: 'closed' };
    connects = 0;
    #listeners = new Set<(state: unknown) => void>();
    constructor(readonly options: Made['options']) {
      made.clients.push(this);
    }

    on = (event: string, listener: (state: unknown) => void) => {
      if (event === 'state') this.#listeners.add(listener);
      return () => this.#listeners.delete(listener);
    };

    emit(state: { name: string }): void {
      this.state = state;
      for (const listener of this.#listeners) listener(state);
    }

    connect(): void {
      this.connects += 1;
    }

    now = () => 0;
    close(): void {}
  }
  return { FanfareError, memoryStore, Client };
});
/** What else a session has. */
const Part = vi.hoisted(() => class { close(): void {} });
vi.mock('../src/fleet/fleet', () => ({ LiveFleet: Part }));
vi.mock('../src/log/log', () => ({ EventLog: Part }));
vi.mock('../src/notices/board', () => ({ NoticeBoard: Part }));
vi.mock('../src/connection/history', () => ({ StatsHistory: Part }));
vi.mock('../src/session/rights', () => ({ Rights: Part }));

const said = (organization: string, user: string, expires = 1): Said => ({ who: { owner: ownerOf(organization, user), expires }, refused: false });
/** What any issuer's token may look like: nothing is read from it. */
const OPAQUE = `h.${btoa(JSON.stringify({ sub: 17, o: { id: 'acme' } }))}.s`;

async function begin(answers: Record<string, Said | Promise<Said>>, token = OPAQUE) {
  const ask = vi.fn(async (asked: string) => answers[asked] ?? { refused: false });
  const session = new Session(token, undefined, ask);
  const client = made.clients.at(-1)!;
  await vi.waitFor(() => expect(client.connects).toBeGreaterThan(0));
  /** The connection is let in with the token that the client has. */
  const open = (organizationId: string, userId: string, reason = 'start', expiresAt = 1) => {
    client.options.token({ reason });
    client.emit({ name: 'open', organizationId, userId, expiresAt } as { name: string });
  };
  return { session, client, ask, open };
}

beforeEach(() => {
  vi.stubGlobal('location', { href: 'https://example.org/prod/' });
});
afterEach(() => void vi.unstubAllGlobals());

test('what the server says of a token: whose, refused, or neither', async () => {
  const answers: [() => Promise<Response>, Said][] = [
    [async () => Response.json({ user_id: '17', organization_id: 'acme', expires_at: 9 }), said('acme', '17', 9)],
    [async () => Response.json({ code: 'AUTH_FAILED' }, { status: 401 }), { refused: true }],
    [async () => Response.json({ code: 'TOKEN_NOT_YET_VALID' }, { status: 401 }), { refused: false }],
    [async () => Response.json({ code: 'RATE_LIMIT_EXCEEDED' }, { status: 429 }), { refused: false }],
    [async () => new Response('<html>', { status: 502 }), { refused: false }],
    [async () => Promise.reject(new TypeError('no network')), { refused: false }],
  ];
  for (const [answer, expected] of answers) {
    vi.stubGlobal('fetch', answer);
    expect(await askWho(OPAQUE, 1000)).toEqual(expected);
  }
});

test('servers in folders of one origin share nothing', async () => {
  vi.stubGlobal('location', { href: 'https://example.org/prod/?x#y' });
  vi.resetModules();
  const { Tabs } = await import('../src/session/tabs');
  const { Drafts } = await import('../src/session/drafts');
  const { unkept } = await import('../src/lib/storage');
  const { statusKey } = await import('../src/people/kept');
  const opened: string[] = [];
  new Tabs((name) => (opened.push(name), { send() {}, close() {} }));
  const own = unkept();
  const drafts = new Drafts(own);
  drafts.belong('ann');
  drafts.set('notice', 'x');
  for (const name of [...opened, ...own.keys(), statusKey('ann')]) expect(name).toContain(':/prod/');
});

describe('a session', () => {
  test('is of the user that the server names, before the first connection', async () => {
    const { session, client } = await begin({ [OPAQUE]: said('acme', '17') });
    expect(session.owner).toBe(ownerOf('acme', '17'));
    expect(client.connects).toBe(1);
  });

  test('connects all the same where the server does not say it, and learns it then', async () => {
    const { session, client, open } = await begin({});
    expect([session.owner, client.connects]).toEqual([undefined, 1]);
    const stored = client.options.store.get('x');
    expect(await Promise.race([stored, Promise.resolve('nothing yet')])).toBe('nothing yet');
    open('acme', '17');
    expect([session.owner, session.another, await stored]).toEqual([ownerOf('acme', '17'), undefined, undefined]);
  });

  test('ends where the server lets another user in, or one of another organisation', async () => {
    for (const [organization, user] of [['acme', '18'], ['other', '17']] as const) {
      const { session, open } = await begin({ [OPAQUE]: said('acme', '17') });
      open(organization, user);
      expect(session.another).toEqual({ token: OPAQUE, owner: ownerOf(organization, user) });
    }
  });

  test('takes a token of its own user, and one of another needs another session', async () => {
    const { session, open } = await begin({ [OPAQUE]: said('acme', '17'), mine: said('acme', '17', 9), theirs: said('other', '17', 9) });
    open('acme', '17');
    expect(session.good).toEqual({ token: OPAQUE, owner: ownerOf('acme', '17'), expires: 1 });
    session.renew('mine');
    await vi.waitFor(() => expect(session.good).toEqual({ token: 'mine', owner: ownerOf('acme', '17'), expires: 9 }));
    session.renew('theirs');
    await vi.waitFor(() => expect(session.another).toEqual({ token: 'theirs', owner: ownerOf('other', '17') }));
    expect(session.token).toBe('mine');
  });

  test('keeps a good token where the new one is refused, is not valid yet, or cannot be asked about', async () => {
    const { session, client, ask, open } = await begin({ [OPAQUE]: said('acme', '17'), bad: { refused: true } });
    open('acme', '17');
    session.renew('bad');
    await vi.waitFor(() => expect(session.refusedToken).toBe(true));
    expect(session.token).toBe(OPAQUE);
    // Neither yes nor no: it is asked about again with each connection, and used when the good one ends.
    session.renew('later');
    await vi.waitFor(() => expect(session.refusedToken).toBe(false));
    expect(session.token).toBe(OPAQUE);
    client.emit({ name: 'backoff' });
    open('acme', '17');
    expect(ask.mock.calls.filter(([token]) => token === 'later')).toHaveLength(2);
    expect(client.options.token({ reason: 'expired' })).toBe('later');
  });

  test('also while there is no connection', async () => {
    const { session, client, open } = await begin({ [OPAQUE]: said('acme', '17'), bad: { refused: true } });
    open('acme', '17');
    client.emit({ name: 'backoff' });
    for (const token of ['bad', 'later']) {
      session.renew(token);
      await new Promise((resolve) => setTimeout(resolve));
      expect(session.token).toBe(OPAQUE);
    }
  });

  test('whose token has ended tries what it is given', async () => {
    const { session, client, open } = await begin({ [OPAQUE]: said('acme', '17'), bad: { refused: true } });
    open('acme', '17');
    client.emit({ name: 'closed' });
    session.renew('bad');
    await vi.waitFor(() => expect(client.connects).toBe(2));
    expect(session.token).toBe('bad');
  });
});
