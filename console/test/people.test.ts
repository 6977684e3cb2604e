import { describe, expect, test } from 'vitest';
import { otherOf } from '../src/chat/naming';
import { describe as words, lastSeen, watched } from '../src/people/state';

const MIN = 60_000;

describe('people in words', () => {
  const now = 1_790_000_000_000;
  const person = (more: object) => ({ user_id: 'bob', status: 'offline' as const, version: 1, ...more });

  test.each([
    [-5_000, 'Last seen just now'], [59_000, 'Last seen just now'], [5 * MIN, 'Last seen 5 min ago'],
    [3 * 60 * MIN, 'Last seen 3 h ago'], [72 * 60 * MIN, 'Last seen 3 d ago'],
  ])('gone for %d ms: %s', (ms, expected) => expect(lastSeen(now - ms, now)).toBe(expected));

  test('a state, since when somebody is gone, and their text', () => {
    expect(words(person({ status: 'busy', text: 'Rounds' }), now)).toBe('Do not disturb · Rounds');
    expect(words(person({ last_seen: now - 5 * MIN, text: 'Back on Monday' }), now)).toBe('Last seen 5 min ago · Back on Monday');
    expect(words(person({}), now)).toBe('Offline');
    // When somebody was there before says nothing of whoever is there now.
    expect(words(person({ status: 'online', last_seen: now }), now)).toBe('Online');
  });

});

describe('whom one watches', () => {
  const talk = (id: string, ...members: string[]) => ({ id, members });

  test('oneself and everybody one talks with, in an order of their own', () => {
    expect(watched([], 'me', [talk('1', 'me', 'dan'), talk('2', 'me', 'carol', 'bob')], undefined)).toEqual(['bob', 'carol', 'dan', 'me']);
    expect(watched([], undefined, [], undefined)).toEqual([]);
  });

  test('what changes nothing is the same list', () => {
    const talks = [talk('1', 'me', 'dan'), talk('2', 'me', 'bob')];
    const before = watched([], 'me', talks, undefined);
    expect(watched(before, 'me', [...talks].reverse(), '2')).toBe(before);
    expect(watched(before, 'me', [...talks, talk('3', 'me', 'eve')], '2')).toEqual(['bob', 'dan', 'eve', 'me']);
    expect(watched(before, 'me', talks.slice(1), '2')).toEqual(['bob', 'me']);
  });

  test('of too many the open conversation, and those who are watched already', () => {
    const many = Array.from({ length: 300 }, (_, i) => talk(String(i), 'me', `u${String(i).padStart(3, '0')}`));
    const before = watched([], 'me', many, undefined);
    expect([before.length, before.includes('u000'), before.includes('u299')]).toEqual([200, true, false]);
    // The last has written, and is on top now.
    const moved = [many[299]!, ...many.slice(0, 299)];
    expect(watched(before, 'me', moved, undefined)).toBe(before);
    const opened = watched(before, 'me', moved, '299');
    expect([opened.length, opened.includes('u299'), opened.filter((user) => !before.includes(user))]).toEqual([200, true, ['u299']]);
  });
});

test('one talks alone with one other', () => {
  expect(otherOf({ kind: 'private', members: ['me', 'bob'] }, 'me')).toBe('bob');
  expect(otherOf({ kind: 'group', members: ['me', 'bob'] }, 'me')).toBeUndefined();
});
