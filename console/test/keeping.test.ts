// What a browser keeps, and what its tabs share: also where it keeps nothing.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Drafts, forConversation } from '../src/session/drafts';
import { ownerOf } from '../src/session/identity';
import { Tabs, type Good, type Tab } from '../src/session/tabs';
import { kept, type Channel, type Kept } from '../src/lib/storage';

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
  function of(user: string, own: Kept, now = Date.now): Drafts {
    const made = new Drafts(own, now);
    made.belong(ownerOf('acme', user));
    return made;
  }

  test('are there again after a reload, for their user alone', () => {
    const own = kept(() => shared);
    const shared = storage();
    of('ann', own).set(forConversation('c1'), 'half a\nsentence');
    expect(of('ann', own).get(forConversation('c1'))).toBe('half a\nsentence');
    expect(of('ann:c', own).get(forConversation('c1'))).toBe('');
    expect(of('bob', own).get(forConversation('c1'))).toBe('');
  });

  test('nothing is kept until it is known whose it is, and then what was typed meanwhile', () => {
    const own = kept(() => shared);
    const shared = storage();
    const drafts = new Drafts(own);
    drafts.set('notice', 'x');
    expect([own.keys(), drafts.get('notice')]).toEqual([[], 'x']);
    drafts.belong('ann');
    expect([own.keys().length, drafts.get('notice')]).toEqual([1, 'x']);
  });

  test('signing out removes them, and only them; old ones go', () => {
    const own = kept(() => shared);
    const shared = storage();
    let now = 1_790_000_000_000;
    const [ann, bob] = [of('ann', own, () => now), of('bob', own, () => now)];
    ann.set('notice', 'x');
    bob.set('notice', 'y');
    ann.clear();
    expect([ann.get('notice'), bob.get('notice')]).toEqual(['', 'y']);
    bob.move('notice', forConversation('c'));
    expect([bob.get('notice'), bob.get(forConversation('c'))]).toEqual(['', 'y']);
    now += 31 * 86_400_000;
    expect(of('bob', own, () => now).get(forConversation('c'))).toBe('');
    expect(own.keys()).toEqual([]);
  });
});

describe('one token for all tabs', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const good = (user: string, expires: number, organization = 'acme'): Good => ({ token: `${user} ${organization} ${expires}`, owner: ownerOf(organization, user), expires });

  function browser() {
    const takers = new Set<(message: unknown) => void>();
    const open = (_: string, take: (message: unknown) => void): Channel => {
      takers.add(take);
      return { send: (message) => { for (const other of takers) if (other !== take) other(message); }, close: () => takers.delete(take) };
    };
    return (now?: Good, taken = true) => {
      const tabs = new Tabs(open);
      const tab = { tabs, now: now?.token, left: 0 };
      tabs.attach({ token: () => tab.now, good: () => (taken ? now : undefined), take: (t) => { tab.now = t; }, leave: () => { tab.left++; } } satisfies Tab);
      return tab;
    };
  }

  test('a tab without one takes over that of the others, if the server has taken it', async () => {
    const tab = browser();
    tab(good('ann', 1));
    expect(await tab().tabs.ask()).toBe(good('ann', 1).token);
    const other = browser();
    other(good('eve', 1), false);
    const asked = other().tabs.ask(300);
    await vi.advanceTimersByTimeAsync(300);
    expect(await asked).toBeUndefined();
  });

  test('a newer one replaces those of the same user, in one organisation', () => {
    const tab = browser();
    const [one, two, bob, far, unknown, none] = [good('ann', 1), good('ann', 1), good('bob', 1), good('ann', 1, 'far')].map((has) => tab(has)).concat(tab(good('ann', 1), false), tab());
    one!.tabs.renewed(good('ann', 2));
    expect([two!.now, none!.now]).toEqual([good('ann', 2).token, good('ann', 2).token]);
    expect([bob!.now, far!.now, unknown!.now]).toEqual([good('bob', 1).token, good('ann', 1, 'far').token, good('ann', 1).token]);
  });

  test('one that ends sooner replaces none', () => {
    const tab = browser();
    const [one, two] = [tab(good('ann', 1)), tab(good('ann', 2))];
    one.tabs.renewed(good('ann', 1));
    expect(two.now).toBe(good('ann', 2).token);
  });

  test('signing out ends those of the same user', () => {
    const tab = browser();
    const [one, two, bob, far, unknown] = [tab(good('ann', 1)), tab(good('ann', 2)), tab(good('bob', 1)), tab(good('ann', 1, 'far')), tab(good('ann', 1), false)];
    one.tabs.left(good('ann', 1).owner);
    expect([two.left, bob.left, far.left, unknown.left]).toEqual([1, 0, 0, 0]);
  });
});
