// Places of the tabs of a browser in the store they share. Each tab holds one, by a lock, as long as the page lives.

export const SLOTS = 32;

export interface Slot {
  readonly slot: number;
  release(): void;
}

/** Slots that are let go just now: whoever comes next in this page waits for them. */
const releasing = new Set<Promise<unknown>>();

/**
 * The first free slot; a tab that reloads gets its own back. None where pages cannot lock (those that are not secure),
 * or all are taken. Programs that are no pages have one each.
 */
export async function claim(name: string): Promise<Slot | undefined> {
  if (!globalThis.navigator?.locks) return typeof document === 'undefined' ? { slot: 0, release() {} } : undefined;
  await Promise.all(releasing);
  const tab = session();
  const before = Number(tab?.getItem(name) ?? 0);
  for (const slot of [before, ...Array(SLOTS).keys()]) {
    const release = await hold(name, slot);
    if (!release) continue;
    tab?.setItem(name, String(slot));
    return { slot, release };
  }
  return undefined;
}

/** Where site data are blocked, even to look for it throws. */
function session(): Storage | undefined {
  try {
    return globalThis.sessionStorage;
  } catch {
    return undefined;
  }
}

/** Takes a slot that nobody has. Answers how to let it go. */
export function hold(name: string, slot: number): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    const locks = globalThis.navigator?.locks;
    if (!locks) return resolve(undefined);
    const held: Promise<unknown> = locks
      .request(`${name}#${slot}`, { ifAvailable: true }, (lock) => {
        if (!lock) return resolve(undefined);
        return new Promise<void>((free) =>
          resolve(() => {
            releasing.add(held);
            free();
          }),
        );
      })
      .catch(() => resolve(undefined))
      .finally(() => releasing.delete(held));
  });
}
