// Whether anybody is there: heartbeats, sleep, the page, and what is measured.
import { afterEach, expect, test, vi } from 'vitest';
import type { State } from '../src/index.ts';
import { keepAlive, World } from './fake.ts';

afterEach(() => vi.unstubAllGlobals());

const backoff = (state: State) => state as Extract<State, { name: 'backoff' }>;

test('a heartbeat is answered while it is read', async () => {
  const world = new World();
  const { link } = await world.connected();
  link.say({ event: 'server:ping', data: { time: 1 } });
  expect(link.asked('server:pong').at(-1)).toEqual({ event: 'server:pong', data: {} });
});

test('silence for two heartbeats means that nobody is there', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  await world.clock.pass(50_000);
  expect(client.state.name).toBe('open');
  await world.clock.pass(5_000);
  expect(client.state).not.toMatchObject({ connectionId: 'n-1' });
  expect(link.closed).toBeDefined();
  const lived = await new World().connected();
  await lived.link.listener.packet(new Uint8Array());
  expect(lived.client.state.name).toBe('open');
});

test('after the machine slept, the other end is asked, and given 5 s', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  world.pongs = false;
  await world.clock.sleep(3_600_000);
  expect(link.asked('client:ping').length).toBe(1);
  expect(client.state.name).toBe('open');
  await world.clock.pass(4_999);
  expect(client.state.name).toBe('open');
  await world.clock.pass(1);
  expect(client.state).toMatchObject({ name: 'backoff', reason: 'no answer' });
});

test('who answers after the sleep is kept, and the token is looked at', async () => {
  const world = new World();
  const { client, link } = await world.connected({ token: () => 't' });
  await world.clock.sleep(3_590_000);
  expect(link.asked('token:refresh').length).toBe(1);
  await keepAlive(world, 20_000);
  expect(client.state).toMatchObject({ name: 'open', connectionId: 'n-1' });
});

test('offline: the other end is asked at once, and given 5 s', async () => {
  const window = new EventTarget();
  vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
  const world = new World();
  const { client, link } = await world.connected();
  window.dispatchEvent(new Event('offline'));
  expect(link.asked('client:ping').length).toBe(1);
  await world.clock.pass(5_000);
  // It was answered.
  expect(client.state).toMatchObject({ name: 'open', connectionId: 'n-1' });
  world.pongs = false;
  vi.stubGlobal('navigator', { onLine: false });
  window.dispatchEvent(new Event('offline'));
  await world.clock.pass(5_000);
  expect(client.state).toMatchObject({ name: 'backoff', reason: 'no answer' });
  // Nothing is tried for it now.
  window.dispatchEvent(new Event('offline'));
  await world.clock.pass(0);
  expect([client.state.name, world.links.length]).toEqual(['backoff', 1]);
  client.close();
});

test('sendPacket answers whether the packet went out', async () => {
  const world = new World();
  const client = world.client();
  expect(client.sendPacket(Uint8Array.of(1))).toBe(false);
  client.connect();
  await world.clock.pass(0);
  expect(client.sendPacket(Uint8Array.of(1))).toBe(true);
  world.link.room = false;
  expect(client.sendPacket(Uint8Array.of(2))).toBe(false);
  expect(world.link.packets).toEqual([Uint8Array.of(1)]);
  client.close();
  expect(client.sendPacket(Uint8Array.of(1))).toBe(false);
});

test('stats measures, unless told not to', async () => {
  const { client, link } = await new World().connected();
  client.stats(false);
  expect(link.asked('client:ping').length).toBe(0);
  client.stats();
  expect(link.asked('client:ping').length).toBe(1);
});

test('the page: online and looked at means now, left means closed, back from the cache means back', async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  const window = new EventTarget();
  vi.stubGlobal('document', page);
  vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
  vi.stubGlobal('removeEventListener', window.removeEventListener.bind(window));
  vi.stubGlobal('navigator', { onLine: true });
  const world = new World();
  const { client, link } = await world.connected();

  window.dispatchEvent(new Event('pagehide'));
  expect(link.closed).toBeDefined();
  expect(client.state.name).toBe('backoff');
  await world.clock.pass(20_000);
  expect(world.links.length).toBe(1);
  window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  await world.clock.pass(0);
  expect(client.state).toMatchObject({ name: 'open', connectionId: 'n-2' });

  // Looked at again: is the connection still good?
  const pings = () => world.link.asked('client:ping').length;
  page.dispatchEvent(new Event('visibilitychange'));
  window.dispatchEvent(new Event('online'));
  expect(pings()).toBe(2);
  page.visibilityState = 'hidden';
  page.dispatchEvent(new Event('visibilitychange'));
  expect(pings()).toBe(2);

  // Without a network: no hammering, and back at once with it.
  vi.stubGlobal('navigator', { onLine: false });
  world.link.end();
  expect(backoff(client.state).until - world.clock.time).toBe(30_000);
  vi.stubGlobal('navigator', { onLine: true });
  window.dispatchEvent(new Event('online'));
  await world.clock.pass(0);
  expect(client.state.name).toBe('open');

  client.close();
  window.dispatchEvent(new Event('online'));
  expect(client.state.name).toBe('closed');
});

test('asking for stats measures the round trip, not too often', async () => {
  const world = new World();
  world.pongs = false;
  const { client, link } = await world.connected();
  const told: unknown[] = [];
  client.on('stats', ({ rttMs }) => told.push(rttMs));
  client.stats();
  client.stats();
  expect(link.asked('client:ping').length).toBe(1);
  await world.clock.pass(37);
  link.reply('client:ping', { time: 1 }, 'client:pong');
  expect(told).toEqual([37]);
  expect(client.stats()).toMatchObject({ rttMs: 37, transport: 'webtransport', reconnects: 0 });
});

test('when something was last heard is known while the client is between connections', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  expect(client.stats(false).lastHeard).toBe(world.clock.time);
  await world.clock.pass(10_000);
  link.say({ event: 'server:ping', data: { time: 1 } });
  const heard = world.clock.time;
  await world.clock.pass(3_000);
  world.behaviour.webtransport = world.behaviour.websocket = 'fail';
  client.interrupt();
  await world.clock.pass(20_000);
  expect(client.state.name).not.toBe('open');
  expect(client.stats(false).lastHeard).toBe(heard);
});
