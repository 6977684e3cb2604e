// Tabs of one browser: locks that they share, and a session storage for each.
import { vi } from 'vitest';
import type { Client, Options } from '../src/index.ts';
import { settle, World, type FakeLink } from './fake.ts';

interface Session {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export class Browser {
  readonly #held = new Set<string>();
  readonly #locks = {
    request: async (name: string, _: object, work: (lock: object | null) => Promise<void> | undefined) => {
      if (this.#held.has(name)) return work(null);
      this.#held.add(name);
      await work({});
      this.#held.delete(name);
    },
  };

  constructor() {
    vi.stubGlobal('document', new EventTarget());
  }

  /** A tab that is new. `open` with the same one is a reload. */
  tab(): Session {
    const kept = new Map<string, string>();
    return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => void kept.set(key, value) };
  }

  async open(
    session: Session,
    options: Partial<Options>,
    world = new World(),
  ): Promise<{ world: World; client: Client; link: FakeLink; device: unknown }> {
    vi.stubGlobal('navigator', { locks: this.#locks, onLine: true });
    vi.stubGlobal('sessionStorage', session);
    const { client } = await world.connected(options);
    await vi.waitFor(() => world.link.asked('authenticate').length > 0 || Promise.reject(new Error('not open')));
    await settle();
    return { world, client, link: world.link, device: world.link.asked('authenticate')[0]?.data.device_id };
  }
}
