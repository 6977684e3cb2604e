// Where the unread messages begin, and how far a person has read by what was on the screen. Rules only: no page, no time.

export interface Item {
  readonly key: string;
  readonly seq?: number;
  readonly mine: boolean;
}

/** Messages loaded at most to reach the first unread one. */
export const REACH = 500;

/** How many messages of others are known. */
const others = (items: readonly Item[]): number => items.filter(({ seq, mine }) => seq !== undefined && !mine).length;

/** The first of the newest `unread` messages of others; undefined if there is none, or if it is not loaded. */
export function firstUnread(items: readonly Item[], unread: number): string | undefined {
  let left = unread;
  for (let i = items.length - 1; i >= 0 && left > 0; i -= 1) {
    const { key, seq, mine } = items[i]!;
    if (seq === undefined || mine) continue;
    left -= 1;
    if (left === 0) return key;
  }
  return undefined;
}

/** What to do to show where the unread begin: read an older page, say that it is too far, or nothing more. */
export function reaching(items: readonly Item[], unread: number, more: boolean): 'load' | 'far' | 'there' {
  if (others(items) >= unread || !more) return 'there';
  return items.length < REACH ? 'load' : 'far';
}

/** Messages of others after a place in the list. */
export function after(items: readonly Item[], seq: number): number {
  return items.filter((item) => item.seq !== undefined && item.seq > seq && !item.mine).length;
}

export interface Box {
  readonly seq: number;
  readonly top: number;
  readonly bottom: number;
}

/**
 * The newest message that has been on the screen: its end has, or, where it is higher than the screen, most of the screen
 * shows it. `boxes` are oldest first, by the same zero as the screen's edges.
 */
export function seenTo(boxes: readonly Box[], screen: { top: number; bottom: number }): number | undefined {
  const height = screen.bottom - screen.top;
  for (let i = boxes.length - 1; i >= 0; i -= 1) {
    const { seq, top, bottom } = boxes[i]!;
    if (bottom <= screen.bottom + 1) return bottom > screen.top ? seq : undefined;
    if (bottom - top > height && top < screen.top + height / 2) return seq;
  }
  return undefined;
}
