// What failed is tried again: the first soon, then more and more rarely.
import type { FanfareError } from '../index.ts';

/** No server means more; of more than 24 days `setTimeout` makes none. */
const LONGEST = 86_400_000;
const PAUSE = { first: 1_000, most: 60_000 };
/** Waiting helps against these, even where the server does not say for how long. */
const PASSING = ['TIMEOUT', 'INTERNAL_ERROR', 'UNAVAILABLE', 'RATE_LIMIT_EXCEEDED', 'OUTBOX_FULL'];

export class Retries {
  /** Failures in a row, and the timer of the next attempt while that is to come, by what is tried. */
  readonly #failed = new Map<string, { readonly times: number; readonly timer: ReturnType<typeof setTimeout> | undefined }>();

  later(what: string, { code, retryAfterMs }: FanfareError, again: () => void): void {
    const before = this.#failed.get(what);
    clearTimeout(before?.timer);
    if (retryAfterMs === undefined && !PASSING.includes(code)) return void this.#failed.delete(what);
    const times = (before?.times ?? 0) + 1;
    const window = Math.min(PAUSE.first * 2 ** (times - 1), PAUSE.most);
    // At least half of the window, by a die of its own: those who were refused together do not return together.
    const due = () => {
      this.#failed.set(what, { times, timer: undefined });
      again();
    };
    const timer = setTimeout(due, Math.min(retryAfterMs ?? 0, LONGEST) + window * (1 + Math.random()) / 2);
    this.#failed.set(what, { times, timer });
  }

  /** Whether it will be tried again by itself. */
  waits(what: string): boolean {
    return this.#failed.get(what)?.timer !== undefined;
  }

  worked(what: string): void {
    clearTimeout(this.#failed.get(what)?.timer);
    this.#failed.delete(what);
  }

  /** Nothing is tried any more. */
  stop(): void {
    for (const { timer } of this.#failed.values()) clearTimeout(timer);
    this.#failed.clear();
  }
}
