// What the page costs: frames a second while the map moves, and long tasks. Shown in the connection panel, read by tests.

export interface Cost {
  /** Frames a second over the last second in which markers moved; 0 before the first. */
  fps: number;
  /** Milliseconds between frames: half of them are faster, and 99 of 100. */
  p50: number;
  p99: number;
  frames: number;
  /** Milliseconds that drawing the markers took, on average, on this side. */
  draw: number;
  longTasks: number;
  longestTask: number;
}

const KEPT = 600;

export class Frames {
  #intervals = new Float32Array(KEPT);
  #next = 0;
  #count = 0;
  #last = 0;
  #draw = 0;
  #longTasks = 0;
  #longest = 0;

  /** Counts long tasks from now on, where the browser tells them. */
  watch(): () => void {
    if (!PerformanceObserver.supportedEntryTypes.includes('longtask')) return () => {};
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        this.#longTasks++;
        this.#longest = Math.max(this.#longest, entry.duration);
      }
    });
    observer.observe({ entryTypes: ['longtask'] });
    return () => observer.disconnect();
  }

  /** A frame of an animation at this time, which took `draw` ms to draw. */
  frame(now: number, draw: number): void {
    if (this.#last > 0) {
      this.#intervals[this.#next] = now - this.#last;
      this.#next = (this.#next + 1) % KEPT;
      this.#count++;
      this.#draw = this.#draw === 0 ? draw : this.#draw * 0.98 + draw * 0.02;
    }
    this.#last = now;
  }

  /** The animation stands still: the time until the next frame is none of a frame. */
  pause(): void {
    this.#last = 0;
  }

  /** Forgets everything, for a new measurement. */
  reset(): void {
    this.#count = this.#next = this.#last = this.#draw = this.#longTasks = this.#longest = 0;
  }

  read(): Cost {
    const used = this.#intervals.slice(0, Math.min(this.#count, KEPT));
    let sum = 0;
    let frames = 0;
    for (let back = 1; back <= used.length && sum < 1000; back++) {
      sum += this.#intervals[(this.#next - back + KEPT) % KEPT]!;
      frames++;
    }
    used.sort();
    const at = (q: number) => used[Math.min(used.length - 1, Math.floor(used.length * q))] ?? 0;
    return {
      fps: sum > 0 ? (frames * 1000) / sum : 0,
      p50: at(0.5),
      p99: at(0.99),
      frames: this.#count,
      draw: this.#draw,
      longTasks: this.#longTasks,
      longestTask: this.#longest,
    };
  }
}

/** The page's own. */
export const frames = new Frames();
