// Time comes in from outside, so that tests can move it.
import { FanfareError } from './error.ts';

export interface Clock {
  now(): number;
  /** Calls `then` once after `ms`. Answers how to call it off. */
  after(ms: number, then: () => void): () => void;
}

/** The longest time that `setTimeout` takes; more would mean 0. */
const LONGEST = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, Math.min(ms, LONGEST));
    return () => clearTimeout(timer);
  },
};

/** Rejects with `TIMEOUT` if `work` takes longer than `ms`. */
export function within<T>(clock: Clock, ms: number, work: Promise<T>, late: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new FanfareError('TIMEOUT', late)));
    work.then(resolve, reject).finally(cancel);
  });
}
