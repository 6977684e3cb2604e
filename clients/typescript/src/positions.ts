// The subscription to live positions: one for all who look, asked for again with each connection.
import type { Clock } from './clock.ts';
import { PASSING } from './codes.ts';
import type { Emitter } from './emitter.ts';
import { FanfareError } from './error.ts';
import { Feed } from './feed.ts';
import type { ErrorCode, LocationStored, Subscribe, Subscribed, SubscriptionEnded } from './generated.ts';
import { Locations } from './locations.ts';
import type { Incoming, Session } from './session.ts';
import type { Events } from './types.ts';

/** Rules of subscribing that are not in the page's hands. */
export type LocationOptions = Omit<Subscribe, 'channels'>;

/** Pause before a subscription that was refused for now is asked for again, where the server names none. */
const AGAIN = 2_000;

interface Host {
  readonly clock: Clock;
  readonly events: Emitter<Events>;
  now(): number;
  session(): Session | undefined;
  /** Writes a line to the console, once. */
  say(line: string): void;
}

export class Positions {
  readonly feed: Feed;
  readonly #host: Host;
  readonly #subscriptions = new Set<{ readonly wish: string }>();
  #stop = () => {};

  constructor(host: Host) {
    this.#host = host;
    this.feed = new Feed(host.clock, host.now);
  }

  follow(options: LocationOptions): Locations {
    const before = this.#wish();
    const subscription = { wish: JSON.stringify(options) };
    this.#subscriptions.add(subscription);
    const changed = (old?: string) => {
      const wish = this.#wish();
      if (wish === old) return;
      const session = this.#host.session();
      if (session) this.ask(session);
      if (wish !== undefined) return;
      session?.ask('unsubscribe', { channels: ['locations'] }, { done() {}, failed() {} });
      this.feed.clear();
    };
    changed(before);
    return new Locations(this.feed, () => {
      const old = this.#wish();
      this.#subscriptions.delete(subscription);
      changed(old);
    });
  }

  /** Asks for what is wanted, if anything is. */
  ask(session: Session): void {
    const { clock, events, say } = this.#host;
    this.#stop();
    const wish = this.#wish();
    if (wish === undefined) return;
    session.ask('subscribe', { channels: ['locations'], ...JSON.parse(wish) }, {
      done: ({ subscriptions }: Subscribed) => {
        if (wish !== this.#wish() || session !== this.#host.session()) return;
        for (const granted of subscriptions) if (granted.channel === 'locations') this.feed.granted(granted);
      },
      failed: (error) => {
        const { code, message, retryAfterMs = PASSING.includes(code) ? AGAIN : undefined } = error;
        if (code === 'DISCONNECTED' || session !== this.#host.session()) return;
        const heard = events.emit('error', { code: code as ErrorCode, message });
        if (!heard && retryAfterMs === undefined && !this.feed.events.has('error')) say(`locations: ${code} ${message}`);
        if (wish !== this.#wish()) return;
        if (retryAfterMs === undefined) this.feed.clear(error);
        else this.#stop = clock.after(retryAfterMs, () => this.ask(session));
      },
    });
  }

  /** The connection is gone: what is shown stays until the next one tells. */
  detached(): void {
    this.#stop();
    this.feed.interrupted();
  }

  /** Other rights show something else. */
  changed(session: Session): void {
    this.feed.interrupted();
    this.ask(session);
  }

  /** Other rights may grant what was refused for good. */
  regranted(): void {
    const session = this.#host.session();
    if (session && this.feed.error) this.ask(session);
  }

  packet(bytes: Uint8Array, datagram: boolean): void {
    if (this.#subscriptions.size > 0) this.feed.packet(bytes, datagram);
  }

  event({ event, data }: Incoming): void {
    switch (event) {
      case 'subscription:ended':
        return this.#refused(data as SubscriptionEnded);
      case 'location:stored':
        return this.#lost(data as LocationStored);
      case 'location:snapshot':
        return this.feed.snapshot(data as never);
      case 'location:agents':
        return this.feed.joined(data as never);
      case 'location:removed':
        return this.feed.removed(data as never);
    }
  }

  /** The rights of a newer token no longer grant it. */
  #refused({ channel, view, error }: SubscriptionEnded): void {
    const { events, say } = this.#host;
    if (channel !== 'locations' || !this.feed.follows(view)) return;
    const heard = this.feed.events.has('error') || events.has('error') || events.has('subscription:ended');
    if (!heard) say(`locations: ${error.code} ${error.message}`);
    this.feed.clear(new FanfareError(error.code, error.message));
  }

  /** Fixes that will never be stored: as good as always the device's clock is wrong, and each of them is lost. */
  #lost({ rejected = [] }: LocationStored): void {
    if (this.#host.events.has('location:stored')) return;
    for (const { reason } of rejected) this.#host.say(`fixes are refused: ${reason}; \`location:stored\` tells which`);
  }

  /** Options of the subscription that counts, as text. */
  #wish(): string | undefined {
    return [...this.#subscriptions].at(-1)?.wish;
  }
}
