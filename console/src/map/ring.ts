/** The newest pieces of line with their time, oldest overwritten. Numbered from 0 on, for ever. */
export class Ring {
  /** How many there ever were. */
  added = 0;
  #values: Float64Array;

  constructor(private readonly size: number) {
    this.#values = new Float64Array(size * 5);
  }

  get oldest(): number {
    return Math.max(0, this.added - this.size);
  }

  add(x0: number, y0: number, x1: number, y1: number, time: number): void {
    this.#values.set([x0, y0, x1, y1, time], (this.added++ % this.size) * 5);
  }

  /** The number of the first piece that is younger than `time`. They are in order of time. */
  until(time: number): number {
    let low = this.oldest;
    let high = this.added;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#values[(middle % this.size) * 5 + 4]! <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Calls with the pieces `from` to `to`, without that; those overwritten meanwhile are left out. */
  each(from: number, to: number, visit: (x0: number, y0: number, x1: number, y1: number) => void): void {
    const v = this.#values;
    for (let i = Math.max(from, this.oldest); i < to; i++) {
      const at = (i % this.size) * 5;
      visit(v[at]!, v[at + 1]!, v[at + 2]!, v[at + 3]!);
    }
  }
}
