// What a browser keeps, and what its tabs share: also where it keeps nothing.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Drafts, forConversation } from '../src/session/drafts';
import { Tabs, type Tab } from '../src/session/tabs';
import { kept, type Channel } from '../src/lib/storage';

function storage(refuses = () => false): Storage {
  const values = new Map<string, string>();
  const check = () => { if (refuses()) throw new DOMException('denied', 'SecurityError'); };
  const target = {
    getItem: (key: string) => (check(), values.get(key) ?? null),
    setItem: (key: string, value: string) => (check(), void values.set(key, value)),
    removeItem: (key: string) => (check(), void values.delete(key)),
  };
  return new Proxy(target, { ownKeys: () => (check(), [...values.keys()]), getOwnPropertyDescriptor: () => ({ configurable: true, enumerable: true }) }) as unknown as Storage;
}

describe('where the browser keeps nothing', () => {
  test('memory does', () => {
    const own = kept(() => { throw new DOMException('denied', 'SecurityError'); });
    own.set('a', '1');
    expect([own.get('a'), own.get('b'), own.keys()]).toEqual(['1', undefined, ['a']]);
    own.delete('a');
    expect(own.get('a')).toBeUndefined();
  });

  test('what it refuses from now on is kept in memory, and what it has stays', () => {
    let full = false;
    const own = kept(() => storageOf);
    const storageOf = storage(() => full);
    own.set('a', '1');
    full = true;
    own.set('a', '2');
    expect(own.get('a')).toBe('2');
    full = false;
    own.set('a', '3');
    expect(own.get('a')).toBe('3');
  });
});

describe('drafts', () => {
  const claims = (user: string) => ({ owner: JSON.stringify(['acme', user]), user, organization: 'acme', departments: [] });

  test('are there again after a reload, for their user alone', () => {
    const own = kept(() => shared);
    const shared = storage();
    new Drafts(claims('ann'), own).set(forConversation('c1'), 'half a\nsentence');
    expect(new Drafts(claims('ann'), own).get(forConversation('c1'))).toBe('half a\nsentence');
    expect(new Drafts(claims('ann:c'), own).get(forConversation('c1'))).toBe('');
    expect(new Drafts(claims('bob'), own).get(forConversation('c1'))).toBe('');
  });

  test('of a user who is not known for sure nothing is kept', () => {
    const own = kept(() => shared);
    const shared = storage();
    new Drafts({ departments: [] }, own).set('notice', 'x');
    expect(own.keys()).toEqual([]);
  });

  test('signing out removes them, and only them; old ones go', () => {
    const own = kept(() => shared);
    const shared = storage();
    let now = 1_790_000_000_000;
    const [ann, bob] = [new Drafts(claims('ann'), own, () => now), new Drafts(claims('bob'), own, () => now)];
    ann.set('notice', 'x');
    bob.set('notice', 'y');
    ann.clear();
    expect([ann.get('notice'), bob.get('notice')]).toEqual(['', 'y']);
    bob.move('notice', forConversation('c'));
    expect([bob.get('notice'), bob.get(forConversation('c'))]).toEqual(['', 'y']);
    now += 31 * 86_400_000;
    expect(new Drafts(claims('bob'), own, () => now).get(forConversation('c'))).toBe('');
    expect(own.keys()).toEqual([]);
  });
});

describe('one token for all tabs', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const token = (user: string | number, n: number, org: unknown = 'acme') => `h.${btoa(JSON.stringify({ sub: user, org, exp: 1_790_000_000 + n }))}.s`;

  function browser() {
    const takers = new Set<(message: unknown) => void>();
    const open = (_: string, take: (message: unknown) => void): Channel => {
      takers.add(take);
      return { send: (message) => { for (const other of takers) if (other !== take) other(message); }, close: () => takers.delete(take) };
    };
    return (now?: string, good = now) => {
      const tabs = new Tabs(open);
      const tab = { tabs, now, good, left: 0 };
      tabs.attach({ token: () => tab.now, good: () => tab.good, take: (t) => { tab.now = t; }, leave: () => { tab.left++; } } satisfies Tab);
      return tab;
    };
  }

  test('a tab without one takes over that of the others, if the server has taken it', async () => {
    const tab = browser();
    tab(token('ann', 1));
    expect(await tab().tabs.ask()).toBe(token('ann', 1));
    const other = browser();
    other(token('eve', 1), undefined as unknown as string).good = undefined;
    const asked = other().tabs.ask(300);
    await vi.advanceTimersByTimeAsync(300);
    expect(await asked).toBeUndefined();
  });

  test('a newer one replaces those of the same user', () => {
    const tab = browser();
    const [one, two, bob, none] = [tab(token('ann', 1)), tab(token('ann', 1)), tab(token('bob', 1)), tab()];
    one.now = token('ann', 2);
    one.tabs.renewed(one.now);
    expect([two.now, bob.now, none.now]).toEqual([token('ann', 2), token('bob', 1), token('ann', 2)]);
  });

  test('one that ends sooner replaces none', () => {
    const tab = browser();
    const [one, two] = [tab(token('ann', 1)), tab(token('ann', 2))];
    one.tabs.renewed(one.now!);
    expect(two.now).toBe(token('ann', 2));
  });

  test('users of whom the token does not say enough are not taken for one', () => {
    const tab = browser();
    const [one, two, number, other] = [tab(token('ann', 1, { id: 'acme' })), tab(token('ann', 1, { id: 'other' })), tab(token(17, 1)), tab(token(18, 1))];
    two.now = token('ann', 2, { id: 'other' });
    two.tabs.renewed(two.now);
    two.tabs.left(two.now);
    number.tabs.renewed(token(17, 2));
    expect([one.now, one.left, number.left, other.now]).toEqual([token('ann', 1, { id: 'acme' }), 0, 0, token(18, 1)]);
    number.tabs.left(number.now!);
    expect([number.left, other.left]).toEqual([0, 0]);
  });

  test('signing out ends those of the same user', () => {
    const tab = browser();
    const [one, two, bob] = [tab(token('ann', 1)), tab(token('ann', 2)), tab(token('bob', 1))];
    one.tabs.left(token('ann', 1));
    expect([two.left, bob.left]).toEqual([1, 0]);
  });
});
