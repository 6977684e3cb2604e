// Who is there: one subscription for all who watch, newest versions, reconnects.
import { afterEach, expect, test, vi } from 'vitest';
import { People } from '../src/presence/index.ts';
import { settle, World, type FakeLink } from './fake.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const person = (user_id: string, status: string, version: number) => ({ user_id, status, version });

function granted(link: FakeLink, view: number) {
  link.reply('subscribe', { subscriptions: [{ channel: 'presence', view, epoch: 1 }] });
}

function say(link: FakeLink, event: 'snapshot' | 'changed', view: number, ...users: object[]) {
  link.say({ event: `presence:${event}`, data: { view, users, ...(event === 'snapshot' && { more: false }) } });
}

const wishes = (link: FakeLink) => link.asked('subscribe').map((said) => said.data);
const shown = (people: People) => [...people.all.values()].map(({ user_id, status }) => `${user_id}: ${status}`);

async function watching() {
  const world = new World();
  const { client, link } = await world.connected();
  return { world, client, link, people: new People(client) };
}

test('all who watch share a subscription, and who stops is not watched for', async () => {
  const { link, people } = await watching();
  const stop = people.watch(['bob']);
  people.watch(['carol', 'bob']);
  await settle();
  expect(wishes(link)).toEqual([{ channels: ['presence'], users: ['bob', 'carol'] }]);
  granted(link, 4);
  await settle();
  stop();
  stop();
  people.watch();
  await settle();
  expect(wishes(link).at(-1)).toEqual({ channels: ['presence'] });
});

test('what comes with the answer counts, the newest version holds, and other views do not', async () => {
  const { link, people } = await watching();
  let told = 0;
  people.subscribe(() => (told += 1));
  people.watch(['bob']);
  await settle();
  // As one piece: the answer is not dealt with before what follows has come.
  granted(link, 4);
  say(link, 'snapshot', 4, person('bob', 'busy', 7), person('carol', 'offline', 0));
  say(link, 'changed', 3, person('bob', 'offline', 99));
  await settle();
  expect(shown(people)).toEqual(['bob: busy', 'carol: offline']);
  const before = people.all;
  say(link, 'changed', 4, person('bob', 'away', 8));
  say(link, 'changed', 4, person('bob', 'online', 6));
  expect(people.of('bob')?.status).toBe('away');
  expect(before.get('bob')?.status).toBe('busy');
  expect(told).toBeGreaterThan(1);
});

test('a reconnect watches again and says again what this device is', async () => {
  const { world, client, link, people } = await watching();
  people.watch(['bob']);
  const said = people.set({ status: 'busy', text: 'Rounds' });
  await settle();
  expect(link.asked('presence:set').at(-1)?.data).toEqual({ status: 'busy', text: 'Rounds' });
  granted(link, 4);
  say(link, 'snapshot', 4, person('bob', 'online', 7));
  link.reply('presence:set', person('alice', 'busy', 8));
  expect((await said).status).toBe('busy');
  client.interrupt();
  expect(shown(people)).toEqual(['bob: online']);
  await world.clock.pass(5_000);
  await settle();
  const next = world.link;
  expect(next).not.toBe(link);
  expect(next.asked('presence:set').map((asked) => asked.data)).toEqual([{ status: 'busy' }]);
  granted(next, 9);
  say(next, 'snapshot', 9, person('bob', 'offline', 1));
  await settle();
  expect(shown(people)).toEqual(['bob: offline']);
});

test('what is refused is told; what may pass is asked again', async () => {
  const { link, people } = await watching();
  people.watch();
  await settle();
  link.reply('subscribe', { code: 'UNAUTHORIZED', message: 'no' }, 'error');
  await settle();
  expect(people.error?.code).toBe('UNAUTHORIZED');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  people.watch(['bob']);
  await settle();
  link.reply('subscribe', { code: 'UNAVAILABLE', message: 'later', retry_after_ms: 700 }, 'error');
  await settle();
  const asked = wishes(link).length;
  await vi.advanceTimersByTimeAsync(700);
  expect(wishes(link).length).toBe(asked + 1);
});

test('a hidden page is away, unless it is something else', async () => {
  let look = () => {};
  const page = {
    visibilityState: 'visible',
    addEventListener: (_: string, handler: () => void) => (look = handler),
    removeEventListener: () => (look = () => {}),
  };
  vi.stubGlobal('document', page);
  const { link, people } = await watching();
  const last = () => link.asked('presence:set').at(-1)?.data;
  expect(last()).toBeUndefined();
  page.visibilityState = 'hidden';
  look();
  await settle();
  expect(last()).toEqual({ status: 'away' });
  page.visibilityState = 'visible';
  look();
  await settle();
  expect(last()).toEqual({ status: 'online' });
  void people.set({ status: 'busy' });
  page.visibilityState = 'hidden';
  look();
  await settle();
  expect(last()).toEqual({ status: 'busy' });
});
