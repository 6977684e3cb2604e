// What users of the package see besides the protocol's own types (generated.ts).
import type { Clock } from './clock.ts';
import type { FanfareError } from './error.ts';
import type { Answers, Channel, JsonFix, LogEntry, LogEvents, PlainEvents, Requests, TopicName, Topics, UserId } from './generated.ts';
import type { KeyValue } from './store.ts';
import type { Kind, Open } from './transport.ts';

/** Where the connection stands. Replaced by a new object at each change. All times are the server's: compare with `client.now()`. */
export type State =
  | { readonly name: 'closed'; readonly code?: number; readonly reason?: string; readonly error?: FanfareError }
  | { readonly name: 'connecting'; readonly attempt: number }
  | { readonly name: 'authenticating'; readonly transport: Kind; readonly attempt: number }
  | {
      readonly name: 'open';
      readonly transport: Kind;
      readonly connectionId: string;
      readonly userId: string;
      readonly organizationId: string;
      readonly roles: readonly string[];
      /** When the token ends. */
      readonly expiresAt: number;
      /** When it was opened. */
      readonly since: number;
    }
  | {
      readonly name: 'backoff';
      readonly attempt: number;
      /** When the next attempt begins. */
      readonly until: number;
      readonly code?: number;
      readonly reason?: string;
      readonly error?: FanfareError;
    };

/** Why a token is asked for. */
export type TokenReason = 'connect' | 'expiring' | 'expired';
export type Token = string | ((why: { reason: TokenReason }) => string | Promise<string>);

/** Which transport to use. `auto` races both and prefers WebTransport. */
export type Mode = 'auto' | Kind;

export interface Options {
  /** The server's HTTP address, with the path that a proxy puts before its own. The page's own by default. */
  url?: string;
  /**
   * Hosts besides that of `url` that the server may name for its transports: `quic.example.org`, with a port or without.
   * Others are not connected to. An address that is weaker than `url` has to be named with its scheme: `ws://10.0.0.7:80`.
   */
  hosts?: readonly string[];
  token: Token;
  /** This device's id. Else one is made once and kept in `store`. */
  deviceId?: string;
  /** Keeps device id, cursors and outbox. Memory by default: then a reload starts afresh. */
  store?: KeyValue;
  transport?: Mode;
  /** Durable requests that may wait. 1000 by default. */
  outboxLimit?: number;
  /** For tests, and for platforms that have no `WebSocket` or `WebTransport` of their own. */
  transports?: Partial<Record<Kind, Open>>;
  clock?: Clock;
  random?: () => number;
  fetch?: typeof fetch;
}

export interface RequestOptions {
  /** How long to wait for the answer. 15 s by default; a durable request waits for as long as it takes. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** What the caller gives for a request: where a `client_id` belongs, one is made if it is absent. */
export type RequestData<E extends RequestName> = Requests[E] extends { client_id: string }
  ? Omit<Requests[E], 'client_id'> & { client_id?: string }
  : Requests[E];

/**
 * Requests that are the client's own business. Of `subscribe`, so is the channel `locations`: that is
 * `Client.subscribe`.
 */
type Internal = 'authenticate' | 'server:pong' | 'token:refresh';
export type RequestName = Exclude<keyof Answers & keyof Requests, Internal>;
export type DurableName = { [E in RequestName]: Requests[E] extends { client_id: string } ? E : never }[RequestName];

/** An event of a log: its place, and its data. */
export type Entry<D> = LogEntry & { readonly data: D };

/** The client's own events. */
export interface ClientEvents {
  state: [state: State, before: State];
  /** Other rights have ended these: the client subscribes to positions again by itself, `People` to presence. */
  resubscribe: [channels: readonly Channel[]];
  /** Events of a topic are missing before those that follow: read its history if you need it. */
  gap: [gap: { topic: TopicName }];
  /** Where the device stands in its topics, one call for each `topics` event. */
  topics: [topics: Topics];
  stats: [stats: Stats];
  /** Something entered or left the outbox. */
  outbox: [outbox: readonly Pending[]];
}

/** What handlers get, by event. */
export type Events = { [E in keyof LogEvents]: [entry: Entry<LogEvents[E]>] } & {
  [E in Exclude<keyof PlainEvents, keyof ClientEvents>]: [data: PlainEvents[E]];
} & ClientEvents;

/** A durable request that is not answered yet. */
export type Pending = {
  [E in DurableName]: {
    readonly clientId: string;
    readonly event: E;
    readonly data: Requests[E];
    /** When it was asked for, by the server's clock as far as it was known. */
    readonly since: number;
  };
}[DurableName];

/** A position as it is shown: packets do not tell the device's counter. */
export type LiveFix = Readonly<Omit<JsonFix, 'counter'>>;

/** An agent of a view. Replaced by a new object at each change. */
export interface Agent {
  readonly agentId: UserId;
  /** Absent until the first fix. */
  readonly fix?: LiveFix;
  /** When the fix came: compare with `client.now()`. */
  readonly receivedAt: number;
}

export interface Stats {
  readonly transport?: Kind;
  /** Round trip of the last `client:ping`. Asking for stats sends a new one now and then. */
  readonly rttMs?: number;
  /** Packets of positions received. */
  readonly packets: number;
  /** Estimate of those lost on the way, from positions that only came with the server's repetition. */
  readonly lost: number;
  /** Packets and ticks thrown away here: malformed, of no known view, or too many. */
  readonly drops: number;
  /** Connections after the first. */
  readonly reconnects: number;
  /** Topics that were resumed without a gap. */
  readonly resumed: number;
  readonly gaps: number;
  readonly outbox: number;
  /** Bytes of events and packets received. */
  readonly bytesIn: number;
  /** When something was last heard: compare with `client.now()`. 0: never. */
  readonly lastHeard: number;
}
