// The connection's states: every way from one to another stands in the table below. What is not in it is ignored.
import type { FanfareError } from './error.ts';
import type { Authenticated } from './generated.ts';
import type { Kind } from './transport.ts';
import type { State } from './types.ts';

type Name = State['name'];

/** Why a connection, or the attempt at one, has ended. */
export interface Failure {
  readonly code?: number;
  readonly reason?: string;
  readonly error?: FanfareError;
}

export type Input =
  /** The user wants a connection, or none. */
  | { readonly name: 'connect' }
  | { readonly name: 'close' }
  /** A transport is open and `authenticate` is sent. */
  | { readonly name: 'opened'; readonly transport: Kind }
  /** `authenticate` was answered: this connection is the one. */
  | { readonly name: 'accepted'; readonly transport: Kind; readonly greeting: Authenticated; readonly now: number }
  /** `token:refresh` was answered. */
  | { readonly name: 'renewed'; readonly roles: readonly string[]; readonly expiresAt: number }
  /** It is over; coming back may help, not before `until`. */
  | ({ readonly name: 'lost'; readonly attempt: number; readonly until: number } & Failure)
  /** It is over, and coming back as we are will not help. */
  | ({ readonly name: 'refused' } & Failure)
  /** The back-off is over. */
  | { readonly name: 'due' }
  /** The network is back, the page is looked at, or the machine woke up. */
  | { readonly name: 'wake' }
  /** Another transport is wanted. */
  | { readonly name: 'redial' };

/**
 * `dial`: begin an attempt, give up the one before. `adopt`: the new connection is used from now on, the old one closed.
 * `wait`: drop the connection, set the back-off's timer. `end`: drop everything. `probe`: is somebody there?
 * `upgrade`: try the transport that we would rather have, beside the connection that there is.
 */
export type Action = 'none' | 'dial' | 'adopt' | 'wait' | 'end' | 'probe' | 'upgrade';

export const TABLE: Record<Name, Partial<Record<Input['name'], readonly [next: Name, action: Action]>>> = {
  closed: {
    connect: ['connecting', 'dial'],
  },
  connecting: {
    opened: ['authenticating', 'none'],
    redial: ['connecting', 'dial'],
    lost: ['backoff', 'wait'],
    refused: ['closed', 'end'],
    close: ['closed', 'end'],
  },
  authenticating: {
    accepted: ['open', 'adopt'],
    redial: ['connecting', 'dial'],
    lost: ['backoff', 'wait'],
    refused: ['closed', 'end'],
    close: ['closed', 'end'],
  },
  open: {
    accepted: ['open', 'adopt'],
    renewed: ['open', 'none'],
    wake: ['open', 'probe'],
    redial: ['open', 'upgrade'],
    lost: ['backoff', 'wait'],
    refused: ['closed', 'end'],
    close: ['closed', 'end'],
  },
  backoff: {
    connect: ['connecting', 'dial'],
    due: ['connecting', 'dial'],
    wake: ['connecting', 'dial'],
    redial: ['connecting', 'dial'],
    close: ['closed', 'end'],
  },
};

/** The state after an input, and what is to be done. Nothing where the input means nothing in this state. */
export function step(state: State, input: Input): [state: State, action: Action] | undefined {
  const row = TABLE[state.name][input.name];
  if (!row) return undefined;
  const [next, action] = row;
  // An input that changes nothing leaves the very object, so that nobody is told.
  if (action === 'probe' || action === 'upgrade') return [state, action];
  return [enter(next, state, input), action];
}

function enter(next: Name, state: State, input: Input): State {
  const attempt = 'attempt' in state ? state.attempt : 1;
  switch (next) {
    case 'closed':
      return { name: 'closed', ...failure(input) };
    case 'connecting':
      return { name: 'connecting', attempt };
    case 'authenticating':
      return { name: 'authenticating', transport: (input as Of<'opened'>).transport, attempt };
    case 'backoff': {
      const { attempt, until } = input as Of<'lost'>;
      return { name: 'backoff', attempt, until, ...failure(input) };
    }
    case 'open':
      if (input.name === 'renewed') {
        return { ...(state as Of<'open', State>), roles: input.roles, expiresAt: input.expiresAt };
      }
      return opened(input as Of<'accepted'>);
  }
}

type Of<N extends string, T extends { name: string } = Input> = Extract<T, { name: N }>;

function opened({ transport, greeting, now }: Of<'accepted'>): State {
  return {
    name: 'open',
    transport,
    connectionId: greeting.connection_id,
    userId: greeting.user_id,
    organizationId: greeting.organization_id,
    roles: greeting.roles,
    expiresAt: greeting.expires_at,
    since: now,
  };
}

function failure(input: Input): Failure {
  const { code, reason, error } = input as Failure;
  return { ...(code !== undefined && { code }), ...(reason && { reason }), ...(error && { error }) };
}
