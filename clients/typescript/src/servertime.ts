// The server's clock, as it can be known from here: this machine's own may be wrong, and be set while we look.
import type { Clock } from './clock.ts';

/** The most that two clocks part from each other: a tenth of a second in 17 minutes. */
const DRIFT = 1e-4;
/** The most that an event is taken to have been on its way. */
const LONGEST = 60_000;

export class ServerTime {
  readonly #clock: Clock;
  /** The server's clock is ahead of our monotonic one by something between these, as of the monotonic time `at`. */
  #range?: { readonly low: number; readonly high: number; readonly at: number };
  #ahead = 0;
  #measured = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get known(): boolean {
    return this.#range !== undefined;
  }

  /** How long ago a round trip was last measured. */
  get age(): number {
    return this.#clock.monotonic() - this.#measured;
  }

  /** Milliseconds since 1970. By this machine's clock as long as the server's is not known. */
  now(): number {
    return this.#range ? Math.floor(this.#clock.monotonic() + this.#ahead) : this.#clock.now();
  }

  /**
   * The server's clock showed `time` after the monotonic time `sent`, at which we asked, and before now. Where nothing was
   * asked, some time before now. The shortest round trip says most, and what it says stays true, but for the clocks' drift.
   * Answers whether it fits what was known: else a clock was set, or the machine has slept.
   */
  showed(time: number, sent?: number): boolean {
    if (!Number.isFinite(time)) return true;
    const at = this.#clock.monotonic();
    const low = time - at;
    // The server leaves out the part of a millisecond.
    const high = sent === undefined ? low + LONGEST : time + 1 - sent;
    const known = this.#range;
    const slack = known ? DRIFT * (at - known.at) : 0;
    const range = known && { low: Math.max(known.low - slack, low), high: Math.min(known.high + slack, high), at };
    const fits = range !== undefined && range.low <= range.high;
    // From before a sleep, or of a clock that was set back: asking tells.
    if (range && !fits && sent === undefined && high < range.low) return false;
    this.#range = fits ? range : { low, high, at };
    this.#ahead = fits || sent !== undefined ? (this.#range.low + this.#range.high) / 2 : low;
    if (sent !== undefined) this.#measured = at;
    return fits || known === undefined;
  }
}
