import type { FanfareError } from './error.ts';
import type { Feed, FeedEvents } from './feed.ts';
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

  /** Why the server has refused these positions, until it grants them. */
  get error(): FanfareError | undefined {
    return this.#feed.error;
  }

  /** Another number after each change. */
  get version(): number {
    return this.#feed.version;
  }

  on<E extends keyof FeedEvents>(event: E, handler: (...args: FeedEvents[E]) => void): () => void {
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
