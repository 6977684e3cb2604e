// An eye on the open connection: silence, sleep of the machine, the token's end.
import { patiently, type Clock } from './clock.ts';
import type { Authenticated, Pong } from './generated.ts';
import type { ServerTime } from './servertime.ts';
import type { Session } from './session.ts';

/** How long somebody who is asked for a sign of life may take. */
const PATIENCE = 5_000;
const PERIOD = { least: 50, most: 5_000 };
/** A timer that is so late was asleep. */
const LATE = 10_000;
/** A renewal that failed is tried again so much later. */
const AGAIN = 10_000;

interface Watcher {
  dead(reason: string): void;
  awake(): void;
  expiring(): void;
  tick(now: number): void;
  /** A round trip took so long. */
  measured(ms: number): void;
}

export class Watch {
  readonly #clock: Clock;
  readonly #time: ServerTime;
  readonly #watcher: Watcher;
  #session?: Session | undefined;
  #heartbeat = 0;
  #period = PERIOD.most;
  /** By the server's clock, as the token's end is. */
  #renewAt = Infinity;
  /** When the next look is due, by both clocks: one may stand still in sleep, the other may be set. */
  #due = { now: 0, monotonic: 0 };
  #cancelTick = () => {};
  #cancelProbe?: (() => void) | undefined;

  constructor(clock: Clock, time: ServerTime, watcher: Watcher) {
    this.#clock = clock;
    this.#time = time;
    this.#watcher = watcher;
  }

  start(session: Session, greeting: Authenticated, renewable: boolean): void {
    this.stop();
    this.#session = session;
    this.#heartbeat = greeting.heartbeat_ms;
    const life = greeting.expires_at - greeting.time;
    this.#period = Math.min(Math.max(Math.min(this.#heartbeat / 2, life / 20), PERIOD.least), PERIOD.most);
    this.#renewAt = Infinity;
    if (renewable) this.expires(greeting.expires_at);
    this.#next();
  }

  /** The token ends then by the server's clock: it is renewed after four fifths of its life, of a long one a minute before its end. */
  expires(at: number): void {
    const life = at - this.#time.now();
    this.#renewAt = at - Math.min(life / 5, 60_000);
  }

  stop(): void {
    this.#cancelTick();
    this.#cancelProbe?.();
    this.#cancelProbe = undefined;
    this.#session = undefined;
  }

  /** Is somebody there? Also: is the token still good? */
  probe(): void {
    if (this.#cancelProbe || !this.#session) return;
    this.#renew();
    this.#cancelProbe = patiently(this.#clock, PATIENCE, () => this.#watcher.dead('no answer'));
    this.ping(() => {
      this.#cancelProbe?.();
      this.#cancelProbe = undefined;
    });
  }

  ping(answered?: () => void): void {
    const session = this.#session;
    const sent = this.#clock.monotonic();
    session?.ask('client:ping', {}, {
      done: ({ time }: Pong) => {
        if (session !== this.#session) return;
        answered?.();
        this.#time.showed(time, sent);
        this.#watcher.measured(this.#clock.monotonic() - sent);
      },
      failed() {},
    });
  }

  #next(): void {
    this.#due = { now: this.#clock.now() + this.#period, monotonic: this.#clock.monotonic() + this.#period };
    this.#cancelTick = this.#clock.after(this.#period, () => this.#tick());
  }

  #tick(): void {
    const now = this.#clock.monotonic();
    const asleep = Math.max(now - this.#due.monotonic, this.#clock.now() - this.#due.now) > LATE;
    const silent = now - (this.#session?.lastHeard ?? now);
    this.#next();
    // What came while we slept may not be read yet: silence proves nothing then.
    if (asleep) return this.#watcher.awake();
    if (silent > 2 * this.#heartbeat && !this.#cancelProbe) return this.#watcher.dead('silent');
    this.#renew();
    this.#watcher.tick(now);
  }

  #renew(): void {
    const now = this.#time.now();
    if (now < this.#renewAt) return;
    this.#renewAt = now + AGAIN;
    this.#watcher.expiring();
  }
}
