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
  expect(last()).toEqual({ status: 'online' });
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

/** A client whose token is renewed by and by: each call is answered with the next rights. */
async function renewing() {
  const world = new World();
  world.greeting = { expires_at: world.clock.time + 100_000 };
  const { client, link } = await world.connected({ token: () => 't' });
  const people = new People(client);
  const renew = async (more: object = {}) => {
    for (let passed = 0; passed < 86_000; passed += 10_000) {
      link.say({ event: 'server:ping', data: { time: world.clock.time } });
      await world.clock.pass(10_000);
    }
    link.reply('token:refresh', { expires_at: world.clock.time + 100_000, roles: [], ...more });
    await settle();
  };
  const ended = (view: number) =>
    link.say({ event: 'subscription:ended', data: { channel: 'presence', view, error: { code: 'UNAUTHORIZED', message: 'no longer' } } });
  return { link, people, renew, ended };
}

test('who may not watch everyone any more watches those who are named, and everyone when the rights are back', async () => {
  const { link, people, renew, ended } = await renewing();
  people.watch();
  people.watch(['bob']);
  await settle();
  granted(link, 4);
  say(link, 'snapshot', 4, person('bob', 'online', 7), person('carol', 'online', 8));
  await settle();
  expect(people.of('dan')).toEqual(person('dan', 'offline', 0));
  expect(people.of('dan')).toBe(people.of('dan'));
  ended(3);
  expect(people.all.size).toBe(2);
  ended(4);
  expect([people.error?.code, people.all.size, people.of('dan')]).toEqual(['UNAUTHORIZED', 0, undefined]);
  await settle();
  expect(wishes(link).slice(1)).toEqual([{ channels: ['presence'], users: ['bob'] }]);
  granted(link, 5);
  say(link, 'snapshot', 5, person('bob', 'busy', 9));
  await settle();
  expect(shown(people)).toEqual(['bob: busy']);
  expect(people.error?.code).toBe('UNAUTHORIZED');
  await renew();
  expect(wishes(link).slice(2)).toEqual([{ channels: ['presence'] }]);
  granted(link, 6);
  await settle();
  expect(people.error).toBeUndefined();
  // A right that is not touched is not asked for again.
  await renew();
  expect(wishes(link).length).toBe(3);
});

test('what is named and refused is asked for again with a newer token only; what a server ends to begin anew at once', async () => {
  const { link, people, renew, ended } = await renewing();
  people.watch(['bob']);
  await settle();
  granted(link, 4);
  await settle();
  await renew({ resubscribe: ['presence'] });
  expect(wishes(link).length).toBe(2);
  granted(link, 5);
  await settle();
  ended(5);
  await settle();
  expect(wishes(link).length).toBe(2);
  await renew({ resubscribe: ['locations'] });
  expect(wishes(link).length).toBe(3);
});

test('those who are still watched are shown until the new snapshot has come, and nothing is asked that holds', async () => {
  const { link, people } = await watching();
  const stop = people.watch(['bob', 'dan']);
  await settle();
  granted(link, 4);
  say(link, 'snapshot', 4, person('bob', 'busy', 7), person('dan', 'away', 6));
  await settle();
  // Let go and taken hold of in one go, as components do.
  stop();
  const again = people.watch(['dan', 'bob']);
  await settle();
  expect(wishes(link).length).toBe(1);
  again();
  people.watch(['bob', 'carol']);
  await settle();
  granted(link, 5);
  await settle();
  expect(shown(people)).toEqual(['bob: busy']);
  link.say({ event: 'presence:snapshot', data: { view: 5, users: [person('carol', 'online', 1)], more: true } });
  await settle();
  expect(shown(people)).toEqual(['bob: busy', 'carol: online']);
  // As low as another node may count: it is another subscription.
  say(link, 'snapshot', 5, person('bob', 'away', 2));
  await settle();
  expect(shown(people).sort()).toEqual(['bob: away', 'carol: online']);
});

test('what one says while there is no connection holds with the next', async () => {
  const { world, client, link, people } = await watching();
  expect(people.mine).toBe('online');
  let told = 0;
  people.subscribe(() => (told += 1));
  people.set({ status: 'busy' }).catch(() => {});
  expect([people.mine, told]).toEqual(['busy', 1]);
  link.reply('presence:set', person('alice', 'busy', 8));
  await settle();
  client.interrupt();
  // The server takes the device for busy for a while.
  await expect(people.set({ status: 'online' })).rejects.toMatchObject({ code: 'DISCONNECTED' });
  await world.clock.pass(5_000);
  await settle();
  expect(world.link.asked('presence:set').map((said) => said.data)).toEqual([{ status: 'online' }]);
});

test('a page says what it is unless the server knows: one that was killed here may have been something else', async () => {
  const { world, client, link } = await watching();
  const said = (on: FakeLink) => on.asked('presence:set').map((asked) => asked.data);
  expect(said(link)).toEqual([{ status: 'online' }]);
  const again = async () => {
    client.interrupt();
    await world.clock.pass(5_000);
    await settle();
    return world.link;
  };
  // It was lost on its way, for all one knows.
  const second = await again();
  expect(said(second)).toEqual([{ status: 'online' }]);
  second.reply('presence:set', person('alice', 'online', 8));
  await settle();
  expect(said(await again())).toEqual([]);
});

test('people of another organisation are others, and nobody is told there what was said here', async () => {
  const { world, client, link, people } = await watching();
  let told = 0;
  people.subscribe(() => (told += 1));
  people.watch(['bob']);
  await settle();
  granted(link, 4);
  say(link, 'snapshot', 4, person('bob', 'busy', 7));
  await settle();
  void people.set({ status: 'busy' }).catch(() => {});
  link.reply('presence:set', person('alice', 'busy', 1));
  await settle();
  expect(shown(people)).toEqual(['bob: busy']);
  told = 0;
  world.greeting = { organization_id: 'umbrella' };
  client.interrupt();
  await world.clock.pass(10_000);
  expect(client.state).toMatchObject({ name: 'open', organizationId: 'umbrella' });
  expect(shown(people)).toEqual([]);
  expect(people.mine).toBe('online');
  expect(told).toBeGreaterThan(0);
  expect(world.link.asked('presence:set').map(({ data }) => data)).toEqual([{ status: 'online' }]);
  await settle();
  granted(world.link, 1);
  say(world.link, 'snapshot', 1, person('bob', 'online', 2));
  await settle();
  expect(shown(people)).toEqual(['bob: online']);
});
