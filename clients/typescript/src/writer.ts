import type { Clock } from './clock.ts';
import { report } from './error.ts';

/** A write that failed is tried again so much later. */
const AGAIN = 5_000;

/** Writes the newest value, one write at a time, from `start` to `stop`. */
export class Writer {
  #on = false;
  #dirty = false;
  #writing = 0;
  #failing = false;
  #cancel = () => {};
  readonly #clock: Clock;
  readonly #pause: number;
  readonly #write: () => Promise<void>;

  constructor(clock: Clock, pause: number, write: () => Promise<void>) {
    this.#clock = clock;
    this.#pause = pause;
    this.#write = write;
  }

  start(): void {
    this.#on = true;
    this.flush();
  }

  stop(): void {
    this.flush();
    this.#on = false;
    this.#cancel();
  }

  soon(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    this.#plan(this.#pause);
  }

  /** Writes what is not written, even beside a write that has not ended: there may be no later. */
  flush(): void {
    if (!this.#dirty || !this.#on) return;
    this.#cancel();
    this.#dirty = false;
    this.#writing += 1;
    const failed = (error: unknown) => {
      // A full disk stays full for a while: once is enough.
      if (!this.#failing) report(error);
      this.#failing = true;
      this.#dirty = true;
      return AGAIN;
    };
    void this.#write().then(() => ((this.#failing = false), this.#pause), failed).then((pause) => {
      this.#writing -= 1;
      if (this.#dirty) this.#plan(pause);
    });
  }

  #plan(pause: number): void {
    if (!this.#on) return;
    this.#cancel();
    if (pause > 0) this.#cancel = this.#clock.after(pause, () => this.flush());
    else if (this.#writing === 0) this.flush();
  }
}
