// Coming back: no gap, no double; each tab a device of its own.
import 'fake-indexeddb/auto';
import { afterEach, expect, test, vi } from 'vitest';
import { memoryStore, type Client, type KeyValue } from '../src/index.ts';
import { indexedStore, localStore } from '../src/stores.ts';
import { message, settle, topics, World } from './fake.ts';
import { Browser } from './tabs.ts';

afterEach(() => vi.unstubAllGlobals());

function listen(client: Client): string[] {
  const seen: string[] = [];
  client.on('message:new', ({ seq }) => seen.push(`message ${seq}`));
  client.on('gap', ({ topic }) => seen.push(`gap ${topic}`));
  return seen;
}

const cursors = (world: World) => world.link.asked('authenticate')[0]?.data.cursors;

test('cursors follow events and topics, and are told at the next connection, newest first', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const seen = listen(client);
  expect(cursors(world)).toBeUndefined();
  link.say(topics({ topic: 'notice:all', seq: 3 }, { seq: 41 }));
  link.say(message(42));
  link.say(message(42));
  link.say(message(41));
  link.say(message(43));
  expect(seen).toEqual(['message 42', 'message 43']);
  client.interrupt();
  await world.clock.pass(5_000);
  expect(cursors(world)).toEqual([
    { topic: 'notice:all', epoch: 1, seq: 3 },
    { topic: 'conversation:c1', epoch: 1, seq: 43 },
  ]);
  world.link.say(topics({ seq: 43, head: 45, recovered: true }));
  world.link.say(message(43));
  world.link.say(message(44));
  expect(seen.slice(2)).toEqual(['message 44']);
  expect(client.stats()).toMatchObject({ resumed: 1, gaps: 0, reconnects: 1 });
});

test('a gap is told before the events that follow it', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const seen = listen(client);
  link.say(message(1));
  link.say(topics({ seq: 950, head: 1000, recovered: false }));
  link.say(topics({ seq: 950, head: 1000, recovered: false }));
  link.say(message(951));
  expect(seen).toEqual(['message 1', 'gap conversation:c1', 'gap conversation:c1', 'message 951']);
});

test('another epoch is another log', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const seen = listen(client);
  link.say(message(50));
  client.interrupt();
  await world.clock.pass(5_000);
  world.link.say(topics({ epoch: 2, seq: 3, recovered: false }));
  world.link.say(message(4, { epoch: 2 }));
  expect(seen).toEqual(['message 50', 'gap conversation:c1', 'message 4']);
  client.interrupt();
  await world.clock.pass(9_000);
  expect(cursors(world)).toEqual([{ topic: 'conversation:c1', epoch: 2, seq: 4 }]);
});

test('topics does not undo an urgent event that overtook it', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const seen: number[] = [];
  client.on('system:broadcast', ({ seq }) => seen.push(seq));
  const notice = (seq: number) => message(seq, { event: 'system:broadcast', topic: 'urgent_notice:all' });
  link.say(notice(5), 'urgent');
  link.say(topics({ topic: 'urgent_notice:all', seq: 4, head: 5 }));
  link.say(notice(5), 'urgent');
  expect(seen).toEqual([5]);
});

for (const told of [{}, { recovered: true }]) {
  test(`an urgent event before the greeting is heard, once and in order (${JSON.stringify(told)})`, async () => {
    const world = new World();
    const { client, link } = await world.connected({ transport: 'webtransport' });
    const seen: string[] = [];
    client.on('system:broadcast', ({ seq }) => seen.push(`${client.state.name} ${seq}`));
    const notice = (seq: number) => message(seq, { event: 'system:broadcast', topic: 'urgent_notice:all' });
    if (told.recovered) link.say(notice(4), 'urgent');
    client.interrupt();
    world.greets = false;
    await world.clock.pass(5_000);
    seen.length = 0;
    world.link.say(notice(5), 'urgent');
    world.link.say({ event: 'server:ping', data: { time: 1, pos: [] } }, 'urgent');
    expect(world.link.said.at(-1)).toEqual({ event: 'server:pong', data: {} });
    expect(seen).toEqual([]);
    world.greet(world.link);
    expect(seen).toEqual(['open 5']);
    world.link.say(topics({ topic: 'urgent_notice:all', seq: 4, head: 6, ...told }));
    for (const seq of [5, 6]) world.link.say(notice(seq), 'urgent');
    expect(seen).toEqual(['open 5', 'open 6']);
    client.interrupt();
    world.greets = true;
    await world.clock.pass(5_000);
    expect(cursors(world)).toEqual([{ topic: 'urgent_notice:all', epoch: 1, seq: 6 }]);
  });
}

test('what comes before the greeting is bounded: with more the next connection resumes', async () => {
  const world = new World();
  world.greets = false;
  const { client, link } = await world.connected({ transport: 'webtransport' });
  const seen = listen(client);
  const large = { data: { conversation_id: 'c1', text: 'x'.repeat(1_000_000) } };
  for (let seq = 1; seq <= 4; seq += 1) link.say(message(seq, large), 'urgent');
  expect(client.state.name).toBe('authenticating');
  link.say(message(5, large), 'urgent');
  expect([client.state.name, link.closed?.code]).toEqual(['backoff', 4001]);
  world.greet(link);
  expect(seen).toEqual([]);
});

test('what a slower transport said before the race was won is not heard', async () => {
  const world = new World();
  world.greets = false;
  const { client } = await world.connected();
  const seen = listen(client);
  await world.clock.pass(500);
  const [slow, fast] = world.links;
  slow?.say(message(1), 'urgent');
  world.greet(fast as never);
  expect(seen).toEqual([]);
});

test('pos moves cursors forward, of its own lane alone', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const pos = (topic: string, seq: number) => ({ event: 'server:ping', data: { time: 1, pos: [{ topic, epoch: 1, seq }] } });
  link.say(pos('urgent_notice:all', 9), 'ordered');
  link.say(pos('conversation:c1', 9), 'urgent');
  link.say(pos('notice:all', 9), 'ordered');
  link.say(pos('notice:all', 8), 'ordered');
  client.interrupt();
  await world.clock.pass(5_000);
  expect(cursors(world)).toEqual([{ topic: 'notice:all', epoch: 1, seq: 9 }]);

  const plain = await new World().connected({ transport: 'websocket' });
  const seen = listen(plain.client);
  plain.link.say(pos('conversation:c1', 9));
  plain.link.say(message(9));
  expect(seen).toEqual([]);
});

test('a change of transport neither loses nor repeats: what came meanwhile on the old one is left out', async () => {
  const world = new World();
  const { client, link: old } = await world.connected();
  const seen = listen(client);
  old.say(message(1));
  world.greets = false;
  client.useTransport('websocket');
  await world.clock.pass(0);
  const fresh = world.link;
  expect(fresh).not.toBe(old);
  expect(cursors(world)).toMatchObject([{ seq: 1 }]);
  old.say(message(2));
  world.greet(fresh);
  old.say(message(3));
  fresh.say(topics({ seq: 1, head: 3, recovered: true }));
  for (const seq of [2, 3]) fresh.say(message(seq));
  expect(seen).toEqual(['message 1', 'message 2', 'message 3']);
});

test('a change of transport whose heads are older than what the old one has brought does not go back', async () => {
  const world = new World();
  const { client, link: old } = await world.connected();
  const seen = listen(client);
  for (let seq = 41; seq <= 44; seq += 1) old.say(message(seq));
  world.greets = false;
  client.useTransport('websocket');
  await world.clock.pass(0);
  for (const seq of [45, 46]) old.say(message(seq));
  const fresh = world.link;
  world.greet(fresh);
  fresh.say(topics({ seq: 41, head: 44, recovered: true }));
  for (let seq = 42; seq <= 47; seq += 1) fresh.say(message(seq));
  expect(seen).toEqual([41, 42, 43, 44, 45, 46, 47].map((seq) => `message ${seq}`));
});

test('a log that was rolled back is followed from where it is now', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const seen = listen(client);
  link.say(message(50));
  client.interrupt();
  await world.clock.pass(5_000);
  world.link.say(topics({ seq: 40, head: 41, recovered: false }));
  world.link.say(message(41));
  expect(seen).toEqual(['message 50', 'gap conversation:c1', 'message 41']);
});

test('what moved last is told, whatever order `topics` has, and notices always', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const all = Array.from({ length: 150 }, (_, i) => `conversation:c${i}`);
  const everything = (seq: number) => topics(...['notice:all', 'urgent_notice:all', ...all].map((topic) => ({ topic, seq })));
  link.say(everything(1));
  link.say(message(2, { topic: 'conversation:c0' }));
  link.say(message(2, { topic: 'conversation:c7' }));
  link.say(everything(1));
  client.interrupt();
  await world.clock.pass(5_000);
  const told = (cursors(world) as { topic: string }[]).map(({ topic }) => topic);
  expect(told.length).toBe(100);
  expect(told.slice(0, 4).sort()).toEqual(['conversation:c0', 'conversation:c7', 'notice:all', 'urgent_notice:all']);
  expect(told.slice(2, 4)).toEqual(['conversation:c7', 'conversation:c0']);
});

test('a device with thousands of topics forgets the quiet ones', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  link.say(topics({ topic: 'notice:all', seq: 1 }));
  for (let i = 0; i < 990; i += 1) link.say(message(1, { topic: `conversation:busy${i}` }));
  link.say(topics(...Array.from({ length: 3_000 }, (_, i) => ({ topic: `conversation:quiet${i}`, seq: 1 }))));
  for (let i = 990; i < 1_200; i += 1) link.say(message(1, { topic: `conversation:busy${i}` }));
  client.interrupt();
  await world.clock.pass(5_000);
  const told = (cursors(world) as { topic: string }[]).map(({ topic }) => topic);
  expect([told[0], told[1], told.at(-1)]).toEqual(['notice:all', 'conversation:busy1199', 'conversation:busy1101']);
});

test('a topic whose cursor was not told has a gap where we stood elsewhere, and none where not', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  for (let i = 0; i < 150; i += 1) link.say(message(10, { topic: `conversation:c${i}` }));
  const seen = listen(client);
  client.interrupt();
  await world.clock.pass(5_000);
  world.link.say(
    topics(
      { topic: 'conversation:c0', seq: 10 },
      { topic: 'conversation:c1', seq: 12 },
      { topic: 'conversation:c2', seq: 3, epoch: 2 },
      { topic: 'conversation:new', seq: 7 },
    ),
  );
  expect(seen).toEqual(['gap conversation:c1', 'gap conversation:c2']);
  expect(client.stats()).toMatchObject({ gaps: 2, resumed: 0 });
});

test('at most 100 cursors are told, of the topics that moved last', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  for (let i = 0; i < 150; i += 1) link.say(message(1, { topic: `conversation:c${i}` }));
  client.interrupt();
  await world.clock.pass(5_000);
  const told = cursors(world) as { topic: string }[];
  expect(told.length).toBe(100);
  expect(told[0]?.topic).toBe('conversation:c149');
});

test('a handler that throws disturbs nobody, and the event has been dealt with', async () => {
  const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
  const world = new World();
  const { client, link } = await world.connected();
  client.on('message:new', () => {
    throw new Error('mine');
  });
  const seen = listen(client);
  link.say(message(1));
  link.say(message(1));
  expect(seen).toEqual(['message 1']);
  expect(reported).toHaveBeenCalledTimes(1);
  reported.mockRestore();
});

for (const [name, make] of Object.entries({ memory: () => memoryStore(), indexed: () => indexedStore('a') })) {
  test(`a reload goes on where the page was (${name} store)`, async () => {
    const store = make();
    const world = new World();
    const client = world.client({ store });
    client.connect();
    await vi.waitFor(() => expect(client.state.name).toBe('open'));
    world.link.say(message(7));
    await world.clock.pass(500);
    await vi.waitFor(async () => expect(await store.get('http://h/#0:place')).toMatchObject({ cursors: [{ seq: 7 }] }));
    client.close();
    const next = new World();
    next.client({ store }).connect();
    await vi.waitFor(() => expect(next.links.length).toBe(1));
    await vi.waitFor(() => expect(cursors(next)).toEqual([{ topic: 'conversation:c1', epoch: 1, seq: 7 }]));
  });
}

test('cursors are written at most twice a second, and at once when the page is left', async () => {
  const kept = memoryStore();
  let writes = 0;
  const store: KeyValue = { ...kept, set: (key, value) => (key.endsWith('place') && (writes += 1), kept.set(key, value)) };
  const world = new World();
  const { client, link } = await world.connected({ store });
  await world.clock.pass(1_000);
  writes = 0;
  for (let seq = 1; seq <= 100; seq += 1) link.say(message(seq));
  await world.clock.pass(500);
  expect(writes).toBe(1);
  link.say(message(101));
  client.close();
  await settle();
  expect(writes).toBe(2);
  expect(await kept.get('http://h/#0:place')).toMatchObject({ cursors: [{ seq: 101 }] });
});

test('a store that fails or hangs does not keep the client from connecting', async () => {
  const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
  const broken = async () => Promise.reject(new Error('no disk'));
  const world = new World();
  await world.connected({ store: { get: broken, set: broken, delete: broken } });
  expect(world.links.length).toBe(1);
  const hanging = new World();
  const never = () => new Promise<never>(() => {});
  hanging.client({ store: { get: never, set: never, delete: never } }).connect();
  await hanging.clock.pass(4_000);
  expect(hanging.links.length).toBe(1);
  expect(reported).toHaveBeenCalled();
  reported.mockRestore();
});

test('another user gets nothing of the one before', async () => {
  const store = memoryStore();
  const world = new World();
  const { client, link } = await world.connected({ store });
  link.say(message(7));
  client.interrupt();
  void client.request('message:send', { conversation_id: 'c1', text: 'from alice' }).catch(() => {});
  client.close();
  await settle();

  const other = new World();
  other.greeting = { user_id: 'mallory' };
  const second = other.client({ store });
  const refused: unknown[] = [];
  void second.request('message:send', { conversation_id: 'c1', text: 'from mallory' }).catch((error) => refused.push(error));
  second.connect();
  await other.clock.pass(5_000);
  expect(second.state).toMatchObject({ name: 'open', userId: 'mallory' });
  expect(other.links.length).toBe(2);
  expect(cursors(other)).toBeUndefined();
  expect(other.links.flatMap((each) => each.asked('message:send')).map(({ data }) => data.text)).toEqual(['from mallory']);
  expect(refused).toEqual([]);
  // What she has not sent is hers in this page, too: the next user does not.
  other.greeting = { user_id: 'trent' };
  second.interrupt();
  void second.request('message:send', { conversation_id: 'c1', text: 'of mallory again' }).catch((error) => refused.push(error));
  await other.clock.pass(10_000);
  expect(second.state).toMatchObject({ userId: 'trent' });
  expect(other.link.asked('message:send')).toEqual([]);
  expect(refused).toMatchObject([{ code: 'CLOSED' }, { code: 'CLOSED' }]);
  await vi.waitFor(async () => expect(await store.get('http://h/#0:place')).toMatchObject({ owner: 'acme/trent', cursors: [] }));
  expect(await store.get('http://h/#0:outbox')).toEqual([]);
  const devices = [...world.links, ...other.links].map((each) => each.asked('authenticate')[0]?.data.device_id);
  expect(devices[2]).not.toBe(devices[0]);
});

test('each tab is a device of its own, and a reload gets its own back', async () => {
  const browser = new Browser();
  const store = memoryStore();
  const [first, second] = [browser.tab(), browser.tab()];
  const a = await browser.open(first, { store });
  const b = await browser.open(second, { store });
  expect(b.device).not.toBe(a.device);
  b.client.close();
  a.client.close();
  await settle();
  expect((await browser.open(second, { store })).device).toBe(b.device);
  const again = await browser.open(first, { store });
  expect(again.device).toBe(a.device);
  // Signed out and in again in one go: the slot is waited for.
  again.client.close();
  expect((await browser.open(first, { store })).device).toBe(a.device);
});

test('a page that cannot lock keeps nothing', async () => {
  vi.stubGlobal('document', new EventTarget());
  vi.stubGlobal('navigator', { onLine: true });
  let writes = 0;
  const store = { ...memoryStore(), set: async () => void (writes += 1) };
  const world = new World();
  const { client, link } = await world.connected({ store });
  link.say(message(1));
  client.close();
  await settle();
  expect([link.closed !== undefined, writes]).toEqual([true, 0]);
});

test('closed while the store is being read, and connected again: once', async () => {
  const kept = memoryStore();
  const slow = { ...kept, get: (key: string) => settle().then(() => kept.get(key)) };
  const world = new World();
  const client = world.client({ store: slow });
  client.connect();
  client.close();
  client.connect();
  await world.clock.pass(100);
  await settle();
  expect(client.state.name).toBe('open');
  expect(world.links.filter(({ closed }) => !closed).length).toBe(1);
  client.close();
});

test('localStore keeps JSON under its prefix', async () => {
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
  const store = localStore('p');
  await store.set('k', { a: 1 });
  expect([...kept]).toEqual([['p:k', '{"a":1}']]);
  expect(await store.get('k')).toEqual({ a: 1 });
  await store.delete('k');
  expect(await store.get('k')).toBeUndefined();
});
