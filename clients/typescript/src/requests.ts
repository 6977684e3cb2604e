// Requests that wait for their turn, for their answer, or for a connection. Durable ones outlive connections: they go
// again with the same `client_id` until they are answered.
import { delay } from './backoff.ts';
import { patiently, type Clock } from './clock.ts';
import { PASSING } from './codes.ts';
import { disconnected, FanfareError } from './error.ts';
import { DURABLE } from './generated.ts';
import type { ServerTime } from './servertime.ts';
import type { Session } from './session.ts';
import type { Pending, RequestOptions } from './types.ts';
import { uid } from './uid.ts';

/** Requests under way on one connection, besides alarms. The server reads few more than 32 (`limits.in_flight`). */
const IN_FLIGHT = 16;
/** Requests that are not durable and wait: more are refused. */
const VOLATILE = 256;
const PATIENCE = 15_000;

interface Job {
  readonly event: string;
  readonly data: { readonly client_id?: string; readonly conversation_id?: string; readonly priority?: unknown };
  readonly durable: boolean;
  /** By the server's clock; by this machine's, where the server's was not known. */
  since: number;
  guessed: boolean;
  /** Whose it is. Of nobody known: of whoever is greeted next. */
  owner: string | undefined;
  /** Where it is under way. */
  session?: Session | undefined;
  attempts: number;
  /** Ends the pause that it makes. */
  resume?: (() => void) | undefined;
  /** Who wants to know. Nobody where an earlier page has asked. */
  readonly callers: Set<{ done(data: unknown): void; failed(error: FanfareError): void }>;
}

interface Host {
  readonly clock: Clock;
  readonly time: Pick<ServerTime, 'now' | 'known'>;
  readonly random: () => number;
  readonly limit: number;
  /** The outbox is another. */
  changed(): void;
}

export class Requests {
  readonly #host: Host;
  /** In order. */
  readonly #jobs = new Set<Job>();
  #session?: Session | undefined;
  #owner?: string;
  #pending?: readonly Pending[] | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Durable requests that are not answered. */
  get pending(): readonly Pending[] {
    return (this.#pending ??= [...this.#jobs]
      .filter((job) => job.durable)
      .map(({ event, data, since }) => ({ clientId: data.client_id, event, data, since }) as Pending));
  }

  /** Adds a request. One with the `client_id` of a request that waits already joins it. */
  add(event: string, data: object & { client_id?: string }, options: RequestOptions = {}): Promise<unknown> {
    const durable = isDurable(event);
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    const known = durable && data.client_id && [...this.#jobs].find((job) => job.data.client_id === data.client_id);
    if (known) return this.#follow(known, options);
    const waiting = [...this.#jobs].filter((job) => job.durable === durable).length;
    if (waiting >= (durable ? this.#host.limit : VOLATILE)) {
      return Promise.reject(new FanfareError('OUTBOX_FULL', `${waiting} requests are waiting already`));
    }
    const job: Job = {
      event,
      data: durable ? { client_id: uid(), ...data } : data,
      durable,
      since: this.#host.time.now(),
      guessed: !this.#host.time.known,
      owner: this.#owner,
      attempts: 0,
      callers: new Set(),
    };
    this.#jobs.add(job);
    const answer = this.#follow(job, options);
    if (durable) this.#changed();
    this.#pump();
    return answer;
  }

  /** Takes what a page of `owner` left behind. Ahead of what this one has asked already. */
  restore(pending: readonly Pending[], owner: string | undefined): void {
    const later = [...this.#jobs];
    const known = new Set(later.map((job) => job.data.client_id));
    this.#jobs.clear();
    for (const { event, data, since, clientId } of pending) {
      if (!isDurable(event) || typeof clientId !== 'string' || known.has(clientId)) continue;
      this.#jobs.add({ event, data: { ...data, client_id: clientId }, durable: true, since, guessed: false, owner, attempts: 0, callers: new Set() });
    }
    const added = this.#jobs.size > 0;
    for (const job of later) this.#jobs.add(job);
    if (added) this.#changed();
    this.#pump();
  }

  /** The server's clock is known now: it is so far ahead of what was guessed. */
  timed(ahead: number): void {
    const guessed = [...this.#jobs].filter((job) => job.guessed && ahead !== 0);
    for (const job of guessed) {
      job.since += ahead;
      job.guessed = false;
    }
    if (guessed.some(({ durable }) => durable)) this.#changed();
  }

  /** A connection is there, perhaps in place of another: what is not answered goes (again). */
  attach(session: Session): void {
    this.#session = session;
    for (const job of this.#jobs) job.session = undefined;
    this.#pump();
  }

  /** The connection is gone. Durable requests wait for the next. */
  detach(error = disconnected()): void {
    this.#session = undefined;
    for (const job of [...this.#jobs]) {
      job.session = undefined;
      if (!job.durable) this.#fail(job, error);
    }
  }

  /** Nobody waits for answers any longer. Durable requests are kept, and their callers told that. */
  end(error: FanfareError): void {
    this.detach(error);
    for (const job of this.#jobs) {
      job.resume?.();
      const kept = new FanfareError(error.code, error.message, error.retryAfterMs, job.data.client_id);
      for (const caller of job.callers) caller.failed(kept);
    }
  }

  /** A user is greeted: what another one has asked is dropped. Answers whether there was another one. */
  greeted(owner: string): boolean {
    const other = this.#owner !== undefined && this.#owner !== owner;
    this.#owner = owner;
    for (const job of [...this.#jobs]) {
      job.owner ??= owner;
      if (job.owner !== owner) this.#fail(job, new FanfareError('CLOSED', 'another user has signed in'));
    }
    return other;
  }

  #pump(): void {
    const session = this.#session;
    if (!session) return;
    let flying = 0;
    // What an earlier durable request has not done yet: a conversation's messages go one after another, or a refused
    // one would be overtaken.
    const busy = new Set<string>();
    // An alarm waits for other alarms alone, as on the server.
    const [alarm] = [...this.#jobs].filter(isAlarm);
    if (alarm && !alarm.session && !alarm.resume) this.#send(alarm, session);
    for (const job of [...this.#jobs].filter((job) => !isAlarm(job))) {
      if (flying >= IN_FLIGHT) return;
      const line = job.durable ? (job.data.conversation_id ?? job.event) : undefined;
      const blocked = line !== undefined && busy.has(line);
      if (line !== undefined) busy.add(line);
      if (job.session) flying += 1;
      else if (!blocked && !job.resume) {
        flying += 1;
        this.#send(job, session);
      }
    }
  }

  #send(job: Job, session: Session): void {
    job.session = session;
    const mine = () => job.session === session && this.#jobs.has(job);
    session.ask(job.event, job.data, {
      done: (data) => {
        if (!mine()) return;
        this.#settle(job);
        for (const caller of job.callers) caller.done(data);
        this.#pump();
      },
      failed: (error) => {
        // With its connection gone, `attach` or `detach` decides.
        if (!mine() || error.code === 'DISCONNECTED') return;
        if (job.durable && PASSING.includes(error.code)) this.#again(job, error);
        else this.#fail(job, error);
        this.#pump();
      },
    });
  }

  #again(job: Job, error: FanfareError): void {
    const { clock, random } = this.#host;
    job.session = undefined;
    job.attempts += 1;
    const over = () => {
      cancel();
      job.resume = undefined;
      this.#pump();
    };
    const cancel = clock.after((error.retryAfterMs ?? 0) + delay(job.attempts, 'now', random), over);
    job.resume = over;
  }

  #follow(job: Job, { timeoutMs, signal }: RequestOptions): Promise<unknown> {
    return new Promise((done, failed) => {
      const patience = timeoutMs ?? (job.durable ? undefined : PATIENCE);
      const late = () => this.#fail(job, new FanfareError('TIMEOUT', `${job.event} was not answered in time`));
      const cancel = patience === undefined ? undefined : patiently(this.#host.clock, patience, late);
      const abort = () => this.#fail(job, signal?.reason);
      signal?.addEventListener('abort', abort, { once: true });
      const caller = {
        done: (data: unknown) => done(over(data)),
        failed: (error: FanfareError) => failed(over(error)),
      };
      const over = <T>(result: T): T => {
        cancel?.();
        signal?.removeEventListener('abort', abort);
        job.callers.delete(caller);
        return result;
      };
      job.callers.add(caller);
    });
  }

  #fail(job: Job, error: FanfareError): void {
    this.#settle(job);
    for (const caller of job.callers) caller.failed(error);
  }

  #settle(job: Job): void {
    const known = this.#jobs.delete(job);
    job.resume?.();
    if (known && job.durable) this.#changed();
  }

  #changed(): void {
    this.#pending = undefined;
    this.#host.changed();
  }
}

/** Whether somebody may be in danger. */
function isAlarm({ event, data }: Job): boolean {
  return event === 'system:broadcast' && data.priority === 'urgent';
}

/** Whether a request is repeated until it is answered. */
export function isDurable(event: string): boolean {
  return (DURABLE as readonly string[]).includes(event);
}
