import { describe, expect, test } from 'vitest';
import { after, firstUnread, reaching, REACH, seenTo } from '../src/chat/unread';
import { warning } from '../src/session/ending';
import { calls, title } from '../src/attention/rules';

const item = (seq: number | undefined, mine = false) => ({ key: `k${seq ?? 'x'}`, ...(seq !== undefined && { seq }), mine });
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => item(from + i));

describe('where the unread begin', () => {
  test('at the first of the newest that others wrote', () => {
    expect(firstUnread(range(1, 200), 150)).toBe('k51');
    expect(firstUnread([item(1), item(2), item(3, true), item(undefined, true)], 2)).toBe('k1');
    expect(firstUnread(range(1, 10), 0)).toBeUndefined();
    expect(firstUnread(range(1, 10), 11)).toBeUndefined();
  });

  test('older pages are read until it is there, within bounds', () => {
    expect(reaching(range(151, 200), 150, true)).toBe('load');
    expect(reaching(range(51, 200), 150, true)).toBe('there');
    expect(reaching(range(151, 200), 150, false)).toBe('there');
    expect(reaching(range(1, REACH), REACH + 1, true)).toBe('far');
  });

  test('how many are left', () => {
    expect(after([...range(1, 5), item(6, true), item(7)], 3)).toBe(3);
  });
});

describe('what has been on the screen', () => {
  const box = (seq: number, top: number, bottom: number) => ({ seq, top, bottom });
  const screen = { top: 100, bottom: 500 };

  test('is what ends on it', () => {
    expect(seenTo([box(1, 0, 90), box(2, 110, 300), box(3, 310, 500), box(4, 510, 600)], screen)).toBe(3);
    expect(seenTo([box(1, 0, 90), box(2, 110, 300), box(3, 310, 505)], screen)).toBe(2);
    expect(seenTo([], screen)).toBeUndefined();
    expect(seenTo([box(1, 600, 700)], screen)).toBeUndefined();
  });

  test('and what is higher than it, once it fills most of it', () => {
    expect(seenTo([box(1, 0, 90), box(2, 120, 2000)], screen)).toBe(2);
    expect(seenTo([box(1, 110, 390), box(2, 400, 2000)], screen)).toBe(1);
  });
});

test('a token says in time that it ends', () => {
  const min = 60_000;
  expect([6 * min, 5 * min, min + 1, min, 1, 0, Infinity].map(warning)).toEqual([undefined, 'soon', 'soon', 'now', 'now', undefined, undefined]);
});

test('what calls for attention: what is new, not seen, and not while one does not want to be disturbed', () => {
  const now = 1_790_000_000_000;
  const news = { at: now - 1000, seen: false, mine: false, urgent: false };
  expect(calls(news, 'online', now)).toBe(true);
  expect(calls(news, 'away', now)).toBe(true);
  expect(calls(news, 'busy', now)).toBe(false);
  expect(calls({ ...news, urgent: true }, 'busy', now)).toBe(true);
  expect(calls({ ...news, seen: true }, 'online', now)).toBe(false);
  expect(calls({ ...news, mine: true }, 'online', now)).toBe(false);
  expect(calls({ ...news, at: now - 3_600_000 }, 'online', now)).toBe(false);
});

test('the title counts', () => {
  expect([title(0, false), title(3, false), title(3, true), title(5000, false)]).toEqual(['Fanfare', '(3) Fanfare', '! (3) Fanfare', '(999+) Fanfare']);
});
