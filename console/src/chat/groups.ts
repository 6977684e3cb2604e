// How messages stand under each other: a line for each day, and what somebody writes in one go goes together. Every message
// stays a thing of its own, so that none is made anew when others come before or after it.

export interface Item {
  key: string;
  at: number;
  by: string;
}

export interface Placed<T> {
  item: T;
  /** A new day begins. */
  day: boolean;
  /** First and last of what goes together. */
  first: boolean;
  last: boolean;
}

const TOGETHER = 5 * 60_000;

export function placed<T extends Item>(items: readonly T[]): Placed<T>[] {
  const found: Placed<T>[] = [];
  for (const [i, item] of items.entries()) {
    const before = items[i - 1];
    const day = !before || new Date(before.at).toDateString() !== new Date(item.at).toDateString();
    const first = day || before.by !== item.by || item.at - before.at >= TOGETHER;
    const previous = found.at(-1);
    if (previous) previous.last = first;
    found.push({ item, day, first, last: true });
  }
  return found;
}
