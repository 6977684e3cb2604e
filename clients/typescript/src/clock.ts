// Time comes in from outside, so that tests can move it.
import { FanfareError } from './error.ts';
import { looked } from './page.ts';

export interface Clock {
  /** Milliseconds since 1970, as the machine says: its user or its network may set it at any moment. */
  now(): number;
  /** Milliseconds since some moment. Never steps; may stand still while the machine sleeps. */
  monotonic(): number;
  /** Calls `then` once after `ms`. Answers how to call it off. */
  after(ms: number, then: () => void): () => void;
}

/** The longest time that `setTimeout` takes; more would mean 0. */
const LONGEST = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => globalThis.performance?.now() ?? Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, Math.min(ms, LONGEST));
    return () => clearTimeout(timer);
  },
};

/** A limit is counted in so many parts, none shorter than so many milliseconds. */
const PARTS = { most: 20, least: 50 };

/**
 * Calls `then` after `ms` of waiting. A part in which the thread was blocked counts no more than its own length: what is
 * waited for may have come and could not be dealt with. Hidden pages get few timers, and nothing blocks them: one part.
 */
export function patiently(clock: Clock, ms: number, then: () => void): () => void {
  const part = looked() ? Math.max(ms / PARTS.most, PARTS.least) : ms;
  let left = ms;
  let cancel = () => {};
  const next = () => {
    // After the last part one more turn, for what has come in it.
    const length = Math.min(part, left);
    cancel = clock.after(length, () => {
      left -= length;
      if (length === 0) then();
      else next();
    });
  };
  next();
  return () => cancel();
}

/** Rejects with `TIMEOUT` if `work` takes longer than `ms`. */
export function within<T>(clock: Clock, ms: number, work: Promise<T>, late: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = patiently(clock, ms, () => reject(new FanfareError('TIMEOUT', late)));
    work.then(resolve, reject).finally(cancel);
  });
}
