// The connection's numbers over the last minutes, sampled every 2 s.
import type { Client, Stats } from 'fanfare-client';
import { Emitter } from '../lib/emitter';

export const SAMPLES = 150;
const EVERY = 2000;

export interface Sample {
  rttMs: number | undefined;
  /** Packets since the sample before. */
  packets: number;
}

export class StatsHistory {
  /** Oldest first. Replaced at each change. */
  samples: readonly Sample[] = [];
  stats: Stats;
  #timer: ReturnType<typeof setInterval>;
  #changes = new Emitter<void>();

  onChange = this.#changes.on;

  constructor(client: Client) {
    this.stats = client.stats();
    this.#timer = setInterval(() => {
      const before = this.stats;
      this.stats = client.stats();
      const open = client.state.name === 'open';
      const sample = {
        rttMs: open ? this.stats.rttMs : undefined,
        packets: this.stats.packets - before.packets,
      };
      this.samples = [...this.samples.slice(1 - SAMPLES), sample];
      this.#changes.emit();
    }, EVERY);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
