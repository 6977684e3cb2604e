// Parts of the page that are loaded when they are needed. After an upgrade of the server those of a page that was open
// before are gone: to load them anew helps, and is said.

/** Milliseconds before the one other attempt: a network may have been away for a moment. */
const AGAIN = 1_000;

const pause = (ms: number) => new Promise<void>((resolve) => { setTimeout(resolve, ms); });

/** Loads a part, twice if need be. */
export async function loadChunk<T>(load: () => Promise<T>, wait: (ms: number) => Promise<void> = pause): Promise<T> {
  try {
    return await load();
  } catch {
    await wait(AGAIN);
    return load();
  }
}
