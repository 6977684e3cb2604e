// What outlives the page, where storage is slow or fails, and where there are several tabs.
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { memoryStore, type Client, type KeyValue } from '../src/index.ts';
import { indexedStore, localStore } from '../src/stores.ts';
import { message, settle, topics, World } from './fake.ts';
import { Browser } from './tabs.ts';

const reported = vi.fn();
const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
beforeEach(() => vi.stubGlobal('reportError', reported));
afterEach(() => {
  vi.unstubAllGlobals();
  reported.mockClear();
  warned.mockClear();
});

const write = (client: Client, text: string) =>
  void client.request('message:send', { conversation_id: 'c1', text }).catch(() => {});
const texts = (list: readonly { data: object }[]) => list.map(({ data }) => (data as { text: string }).text);
const stored = async (store: KeyValue, slot = 0) =>
  texts(((await store.get(`http://h/#${slot}:outbox`)) ?? []) as { data: object }[]);

/** A store in which alice has left a message and a cursor. */
async function left(store: KeyValue) {
  const world = new World();
  const { client, link } = await world.connected({ store });
  link.say(message(7));
  client.interrupt();
  write(client, 'old');
  client.close();
  await settle();
  expect(await stored(store)).toEqual(['old']);
  return link.asked('authenticate')[0]?.data.device_id;
}

/** A store whose reads wait until they are let go, or fail. */
function slow(kept: KeyValue) {
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  let failures = 0;
  const store: KeyValue = {
    ...kept,
    get: async (key) => {
      if (failures > 0) throw new Error('no disk', { cause: (failures -= 1) });
      await gate;
      return kept.get(key);
    },
  };
  return { store, release, fail: (times: number) => (failures = times) };
}

test('a store that is slow is not written before it has been read; then both are there', async () => {
  const kept = memoryStore();
  const device = await left(kept);
  const { store, release } = slow(kept);
  const world = new World();
  const client = world.client({ store });
  const outboxes: string[][] = [];
  const gaps: string[] = [];
  client.on('outbox', (outbox) => outboxes.push(texts(outbox)));
  client.on('gap', ({ topic }) => gaps.push(topic));
  client.connect();
  await world.clock.pass(1_500);
  expect(client.state.name).toBe('open');
  world.link.say(topics({ seq: 9 }, { topic: 'conversation:c2', seq: 1 }));
  await world.clock.pass(1_000);
  expect(await stored(kept)).toEqual(['old']);
  expect(await kept.get('http://h/#0:place')).toMatchObject({ device, cursors: [{ seq: 7 }] });
  expect(outboxes).toEqual([]);

  client.interrupt();
  write(client, 'new');
  release();
  await settle();
  expect(outboxes.at(-1)).toEqual(['old', 'new']);
  expect(await stored(kept)).toEqual(['old', 'new']);
  expect([reported.mock.calls.length, warned.mock.calls.length]).toEqual([0, 1]);
  // The server said 9 where this device stood at 7.
  expect(gaps).toEqual(['conversation:c1']);
  await world.clock.pass(10_000);
  expect(world.link.asked('authenticate')[0]?.data.device_id).toBe(device);
  expect(texts(world.link.asked('message:send'))).toEqual(['old']);
  expect(await kept.get('http://h/#0:place')).toMatchObject({ device, cursors: [{ seq: 9 }, { seq: 1 }] });
  client.close();
  expect(world.clock.timers).toBe(0);
});

test('a store that cannot be read is read again, until the client is closed', async () => {
  const kept = memoryStore();
  await left(kept);
  const { store, release, fail } = slow(kept);
  release();
  fail(6);
  const world = new World();
  const { client } = await world.connected({ store });
  expect(client.state.name).toBe('open');
  expect([client.outbox.length, await stored(kept)]).toEqual([0, ['old']]);
  await world.clock.pass(10_000);
  expect(texts(world.link.asked('message:send'))).toEqual(['old']);
  client.close();

  fail(300);
  const other = new World();
  const second = await other.connected({ store });
  second.client.close();
  await other.clock.pass(60_000);
  expect(other.clock.timers).toBe(0);
  expect(await stored(kept)).toEqual(['old']);
});

test('what is known too late and is another user’s is neither shown nor sent', async () => {
  const kept = memoryStore();
  await left(kept);
  const { store, release } = slow(kept);
  const world = new World();
  world.greeting = { user_id: 'mallory' };
  const client = world.client({ store });
  client.connect();
  await world.clock.pass(1_500);
  release();
  await settle();
  expect(client.outbox).toEqual([]);
  expect(await stored(kept)).toEqual([]);
  await world.clock.pass(500);
  expect(await kept.get('http://h/#0:place')).toMatchObject({ owner: 'acme/mallory', cursors: [] });
});

test('a write that failed is repeated', async () => {
  const kept = memoryStore();
  let broken = false;
  const set: KeyValue['set'] = (key, value) => (broken ? Promise.reject(new Error('full')) : kept.set(key, value));
  const world = new World();
  const { client, link } = await world.connected({ store: { ...kept, set } });
  broken = true;
  link.say(message(3));
  client.interrupt();
  write(client, 'kept');
  await world.clock.pass(3_000);
  expect(await stored(kept)).toEqual([]);
  expect(reported).toHaveBeenCalled();
  broken = false;
  await world.clock.pass(5_000);
  expect(await stored(kept)).toEqual(['kept']);
  expect(await kept.get('http://h/#0:place')).toMatchObject({ cursors: [{ seq: 3 }] });
  broken = true;
  write(client, 'lost');
  await settle();
  client.close();
  await settle();
  expect(world.clock.timers).toBe(0);
});

for (const how of ['and says so', 'without a word'] as const) {
  test(`a database that the browser closes ${how} is opened again`, async () => {
    const opened: IDBDatabase[] = [];
    const real = indexedDB.open.bind(indexedDB);
    const spy = vi.spyOn(indexedDB, 'open').mockImplementation((name, version) => {
      const request = real(name, version);
      request.addEventListener('success', () => opened.push(request.result));
      return request;
    });
    const store = indexedStore(`closing ${how}`);
    await store.set('a', 1);
    expect(opened.length).toBe(1);
    opened[0]?.close();
    if (how === 'and says so') opened[0]?.onclose?.(new Event('close'));
    await store.set('b', 2);
    expect([await store.get('a'), await store.get('b'), opened.length]).toEqual([1, 2, 2]);
    spy.mockRestore();
  });
}

test('what waits in a closed tab goes with the next tab of its user', async () => {
  const browser = new Browser();
  const store = memoryStore();
  const [first, second, third] = [browser.tab(), browser.tab(), browser.tab()];
  const a = await browser.open(first, { store });
  const b = await browser.open(second, { store });
  const other = new World();
  other.greeting = { user_id: 'mallory' };
  const m = await browser.open(third, { store }, other);
  for (const { client } of [a, b, m]) client.interrupt();
  write(b.client, 'from the second tab');
  write(m.client, 'of another user');
  await settle();

  // A tab that is there keeps its own.
  a.client.close();
  await settle();
  const c = await browser.open(first, { store });
  expect([c.client.outbox, await stored(store, 1)]).toEqual([[], ['from the second tab']]);
  c.client.close();
  b.client.close();
  m.client.close();
  await settle();

  const next = await browser.open(browser.tab(), { store });
  expect(next.device).toBe(a.device);
  await vi.waitFor(() => expect(texts(next.link.asked('message:send'))).toEqual(['from the second tab']));
  await vi.waitFor(async () => expect(await stored(store, 1)).toEqual([]));
  expect([await stored(store), await stored(store, 2)]).toEqual([['from the second tab'], ['of another user']]);
  next.link.reply('message:send', { topic: 'conversation:c1', epoch: 1, seq: 1, at: 1 });
  await vi.waitFor(async () => expect(await stored(store)).toEqual([]));
  // The place is free again.
  expect((await browser.open(second, { store })).device).toBe(b.device);
});

test('what does not fit the outbox stays where it is', async () => {
  const browser = new Browser();
  const store = memoryStore();
  const first = await browser.open(browser.tab(), { store });
  const second = await browser.open(browser.tab(), { store });
  for (const { client } of [first, second]) client.interrupt();
  write(first.client, '1');
  write(second.client, '2');
  first.client.close();
  second.client.close();
  await settle();
  const next = await browser.open(browser.tab(), { store, outboxLimit: 1 });
  await settle();
  expect(texts(next.client.outbox)).toEqual(['1']);
  expect(await stored(store, 1)).toEqual(['2']);
});

test('tabs with different stores do not take each other’s places', async () => {
  const browser = new Browser();
  const [one, two] = [{ ...memoryStore(), name: 'one' }, { ...memoryStore(), name: 'two' }];
  const a = await browser.open(browser.tab(), { store: one });
  const tab = browser.tab();
  const b = await browser.open(tab, { store: two });
  expect(await two.get('http://h/#0:place')).toMatchObject({ device: b.device });
  expect(await two.get('http://h/#1:place')).toBeUndefined();
  b.client.close();
  a.client.close();
  await settle();
  expect((await browser.open(tab, { store: one })).device).toBe(a.device);
});

test('a thread that is blocked is no slow store: the device stays who it was, with its cursors', async () => {
  const kept = memoryStore();
  const device = await left(kept);
  const { store, release } = slow(kept);
  const world = new World();
  world.client({ store }).connect();
  // The map is built: nothing runs for two seconds, thrice.
  for (let i = 0; i < 3; i += 1) await world.clock.sleep(2_000);
  expect(world.links).toEqual([]);
  release();
  await world.clock.pass(0);
  expect(world.link.asked('authenticate')[0]?.data).toMatchObject({ device_id: device, cursors: [{ seq: 7 }] });
  expect(warned).not.toHaveBeenCalled();
});

test('site data that are blocked: it works from memory and says so once', async () => {
  const blocked = () => {
    throw new DOMException('The operation is insecure.', 'SecurityError');
  };
  const NAMES = ['localStorage', 'sessionStorage', 'indexedDB'];
  const before = NAMES.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
  for (const name of NAMES) Object.defineProperty(globalThis, name, { get: blocked, configurable: true });
  try {
    for (const store of [localStore(), indexedStore('blocked')]) {
      for (const locks of [undefined, { request: async () => blocked() }]) {
        vi.stubGlobal('document', new EventTarget());
        vi.stubGlobal('navigator', { onLine: true, ...(locks && { locks }) });
        warned.mockClear();
        const world = new World();
        const { client, link } = await world.connected({ store });
        await settle();
        expect(client.state.name).toBe('open');
        const device = link.asked('authenticate')[0]?.data.device_id;
        expect(device).toEqual(expect.any(String));
        link.say(message(7));
        write(client, 'goes on');
        client.interrupt();
        await world.clock.pass(60_000);
        expect(world.link.asked('authenticate')[0]?.data).toMatchObject({ device_id: device, cursors: [{ seq: 7 }] });
        expect(warned).toHaveBeenCalledTimes(1);
        expect(reported).not.toHaveBeenCalled();
        client.close();
      }
    }
    // Outside a page, where there are no locks to be had.
    vi.unstubAllGlobals();
    warned.mockClear();
    const world = new World();
    const { client } = await world.connected({ store: localStore() });
    expect(client.state.name).toBe('open');
    expect(warned).toHaveBeenCalledTimes(1);
    client.close();
  } finally {
    for (const [i, name] of NAMES.entries()) {
      delete (globalThis as Record<string, unknown>)[name];
      if (before[i]) Object.defineProperty(globalThis, name, before[i]);
    }
  }
});

test('a tab whose session storage alone is blocked keeps what its store keeps', async () => {
  const browser = new Browser();
  const store = memoryStore();
  const open = async () => {
    const opening = browser.open(browser.tab(), { store });
    // Not even to be looked for.
    Object.defineProperty(globalThis, 'sessionStorage', {
      get: () => {
        throw new DOMException('The operation is insecure.', 'SecurityError');
      },
      configurable: true,
    });
    return opening;
  };
  try {
    const first = await open();
    first.client.interrupt();
    write(first.client, 'old');
    await settle();
    expect(await stored(store)).toEqual(['old']);
    first.client.close();
    await settle();
    const next = await open();
    expect(next.device).toBe(first.device);
    expect(texts(next.client.outbox)).toEqual(['old']);
    expect(warned).not.toHaveBeenCalled();
    next.client.close();
  } finally {
    delete (globalThis as { sessionStorage?: unknown }).sessionStorage;
  }
});

test('a store that goes on failing is spoken of once, in reading and in writing', async () => {
  const broken = async () => Promise.reject(new Error('no disk'));
  const world = new World();
  await world.connected({ store: { get: broken, set: broken, delete: broken } });
  await world.clock.pass(60_000);
  expect(warned).toHaveBeenCalledTimes(1);
  const kept = memoryStore();
  const full = new World();
  reported.mockClear();
  const { link } = await full.connected({ store: { ...kept, set: async () => Promise.reject(new Error('disk full')) } });
  link.say(message(7));
  await full.clock.pass(20_000);
  expect(reported.mock.calls.length).toBeLessThanOrEqual(3);
});
