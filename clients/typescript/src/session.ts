// One connection, from the open transport to its end: requests and their answers, and a sign of life when asked.
import type { Clock } from './clock.ts';
import { disconnected, FanfareError, report } from './error.ts';
import type { Authenticated, ErrorBody } from './generated.ts';
import type { End, Lane, Link, Listener } from './transport.ts';

/** An event as it comes, before anything is known of it but its name. */
export interface Incoming {
  readonly event: string;
  readonly re?: unknown;
  readonly data?: unknown;
}

/** Gets the answer, or why there is none. At once, in the order of the stream: what follows relies on it. */
export interface Answer {
  done(data: never): void;
  failed(error: FanfareError): void;
}

/** Whoever uses the connection. */
export interface User {
  event(event: Incoming, lane: Lane): void;
  packet(bytes: Uint8Array): void;
  ended(end: End): void;
}

/** Half a character is no JSON to the server, which would end the connection: it becomes the replacement character. */
const whole = (_: string, value: unknown) => (typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : value);

/** Characters of events that may come before the greeting. With more the connection is given up: the next one resumes. */
const EARLY = 2 ** 22;

export class Session implements Listener {
  user?: User;
  link?: Link;
  greeting?: Authenticated;
  /** When the greeting was asked for; this and `lastHeard` by the monotonic clock. */
  greetedAfter?: number;
  lastHeard: number;
  bytesIn = 0;
  readonly #clock: Clock;
  readonly #open = new Map<number, Answer>();
  /** Events that have overtaken the greeting, as urgent ones may, until `release`. */
  #early?: [event: Incoming, lane: Lane][] | undefined = [];
  #lastId = 0;
  #end?: End;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.lastHeard = clock.monotonic();
  }

  /** Sends a request. A connection that has ended answers that it has. */
  ask(event: string, data: unknown, answer: Answer): void {
    if (this.#end || !this.link) return answer.failed(disconnected());
    const id = (this.#lastId += 1);
    this.#open.set(id, answer);
    this.link.send(JSON.stringify({ event, id, data }, whole));
  }

  close(code: number, reason: string): void {
    delete this.user;
    this.link?.close(code, reason);
    this.closed({ code, reason });
  }

  event(text: string, lane: Lane): void {
    this.#heard(text.length);
    let event: Incoming;
    try {
      event = JSON.parse(text) as Incoming;
    } catch {
      return;
    }
    if (typeof event?.event !== 'string') return;
    // From the read loop, as timers of a hidden page hardly run.
    if (event.event === 'server:ping') this.link?.send('{"event":"server:pong","data":{}}');
    if (!this.#early || event.re != null) return this.#take(event, lane);
    if (this.bytesIn > EARLY) {
      this.link?.close(4001, 'too early');
      return this.closed({});
    }
    this.#early.push([event, lane]);
  }

  /** The user is ready: hands over what came before the greeting, and from now on everything at once. */
  release(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const [event, lane] of early) this.#take(event, lane);
  }

  #take(event: Incoming, lane: Lane): void {
    try {
      if (event.re == null) this.user?.event(event, lane);
      else this.#answered(event);
    } catch (error) {
      // Not what the protocol says an event looks like: it is left out.
      report(error);
    }
  }

  #answered(event: Incoming): void {
    const answer = this.#open.get(event.re as number);
    if (!answer) return;
    this.#open.delete(event.re as number);
    if (event.event !== 'error') return answer.done((event.data ?? {}) as never);
    const { code, message, retry_after_ms } = (event.data ?? {}) as Partial<ErrorBody>;
    answer.failed(new FanfareError(code ?? 'INTERNAL_ERROR', message ?? '', retry_after_ms));
  }

  packet(bytes: Uint8Array): void {
    this.#heard(bytes.length);
    this.user?.packet(bytes);
  }

  closed(end: End): void {
    if (this.#end) return;
    this.#end = end;
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const answer of open) answer.failed(disconnected());
    this.user?.ended(end);
  }

  #heard(bytes: number): void {
    this.lastHeard = this.#clock.monotonic();
    this.bytesIn += bytes;
  }
}
