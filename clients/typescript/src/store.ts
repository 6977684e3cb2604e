// Where a client keeps what must outlive a page. Values are plain data (structured clone, or JSON for localStore).

/** What is set later wins, even if the earlier `set` has not ended. */
export interface KeyValue {
  /** Tells this store from others of the origin: tabs share their places within one. */
  readonly name?: string;
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Forgets everything with the page. */
export function memoryStore(): KeyValue {
  const kept = new Map<string, unknown>();
  return {
    get: async (key) => structuredClone(kept.get(key)),
    set: async (key, value) => void kept.set(key, structuredClone(value)),
    delete: async (key) => void kept.delete(key),
  };
}
