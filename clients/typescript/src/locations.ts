import type { Change, Feed } from './feed.ts';
import type { Agent } from './types.ts';

/** A subscription to live positions, kept across reconnects. All of one client look at the same view. */
export class Locations {
  readonly #feed: Feed;
  readonly #stop: () => void;
  readonly #listeners = new Set<() => void>();
  #closed = false;

  /** @internal */
  constructor(feed: Feed, stop: () => void) {
    this.#feed = feed;
    this.#stop = stop;
  }

  /** Live: the map grows and shrinks, its values are replaced and never changed. */
  get agents(): ReadonlyMap<string, Agent> {
    return this.#feed.agents;
  }

  /** `live` once the snapshot is complete. While `waiting`, what was shown last is still there. */
  get state(): 'waiting' | 'live' {
    return this.#feed.state;
  }

  /** Another number after each change. */
  get version(): number {
    return this.#feed.version;
  }

  on(event: 'change', handler: (change: Change) => void): () => void {
    if (this.#closed) return () => {};
    const off = this.#feed.events.on(event, handler);
    this.#listeners.add(off);
    return () => {
      this.#listeners.delete(off);
      off();
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const off of this.#listeners) off();
    this.#stop();
  }
}
