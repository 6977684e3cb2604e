// Getting a connection, and losing it: race, close codes, back-off, moving.
import { expect, test } from 'vitest';
import { CLOSE } from '../src/generated.ts';
import { memoryStore, type State } from '../src/index.ts';
import { keepAlive, settle, states, World } from './fake.ts';

const backoff = (state: State) => state as Extract<State, { name: 'backoff' }>;

test('WebTransport wins where it works; WebSocket is not even tried', async () => {
  const world = new World();
  const client = world.client();
  const seen = states(client);
  client.connect();
  client.connect();
  await world.clock.pass(1_000);
  expect(seen).toEqual(['closed', 'connecting', 'authenticating', 'open']);
  expect(world.opened).toEqual(['webtransport']);
  expect(client.state).toMatchObject({ transport: 'webtransport', userId: 'alice', organizationId: 'acme' });
});

test('where UDP is swallowed, WebSocket starts after 500 ms, and the next time at once', async () => {
  const world = new World();
  world.behaviour.webtransport = 'hang';
  const { client } = await world.connected();
  await world.clock.pass(499);
  expect(world.opened).toEqual(['webtransport']);
  await world.clock.pass(1);
  expect(client.state).toMatchObject({ name: 'open', transport: 'websocket' });

  client.interrupt();
  await world.clock.pass(backoff(client.state).until - world.clock.time);
  expect(client.state).toMatchObject({ name: 'open', transport: 'websocket' });
});

test('what worked is remembered beyond the page', async () => {
  const store = memoryStore();
  const world = new World();
  world.behaviour.webtransport = 'hang';
  const { client } = await world.connected({ store });
  await world.clock.pass(500);
  expect(client.state.name).toBe('open');
  client.close();

  const again = new World();
  again.behaviour.webtransport = 'hang';
  expect((await again.connected({ store })).client.state).toMatchObject({ transport: 'websocket' });
});

test('where WebTransport is refused, WebSocket starts at once', async () => {
  const world = new World();
  world.behaviour.webtransport = 'fail';
  const { client } = await world.connected();
  expect(client.state).toMatchObject({ name: 'open', transport: 'websocket' });
});

test('who is greeted first wins, even if the other was open first; the loser is closed and not heard', async () => {
  const world = new World();
  world.greets = false;
  const { client } = await world.connected();
  await world.clock.pass(500);
  const [slow, fast] = world.links;
  if (!slow || !fast) throw new Error('two connections');
  expect([slow.kind, fast.kind]).toEqual(['webtransport', 'websocket']);
  world.greet(fast);
  expect(client.state).toMatchObject({ name: 'open', transport: 'websocket' });
  expect(slow.closed).toBeDefined();
  const heard: unknown[] = [];
  client.on('message:delivered', (data) => heard.push(data));
  world.greet(slow);
  slow.say({ event: 'message:delivered', data: {} });
  slow.end(4000);
  await settle();
  expect(client.state).toMatchObject({ name: 'open', transport: 'websocket' });
  expect(heard).toEqual([]);
});

test('an attempt that nobody answers ends after 10 s', async () => {
  const world = new World();
  world.greets = false;
  const { client } = await world.connected();
  await world.clock.pass(9_999);
  expect(client.state.name).toBe('authenticating');
  await world.clock.pass(1);
  expect(client.state.name).toBe('backoff');
  expect(world.links.every(({ closed }) => closed)).toBe(true);
});

test('without an answer to discovery the WebSocket is found by itself', async () => {
  const world = new World();
  const never = (() => new Promise(() => {})) as unknown as typeof fetch;
  const { client } = await world.connected({ fetch: never });
  await world.clock.pass(2_000);
  expect(client.state).toMatchObject({ name: 'open', transport: 'websocket' });
});

test('how to connect is asked at each attempt', async () => {
  const world = new World();
  const { client } = await world.connected();
  client.interrupt();
  await world.clock.pass(30_000);
  expect(world.discovered).toBe(2);
});

for (const [number, { advice, reason }] of Object.entries(CLOSE)) {
  test(`closed with ${number} (${reason}): ${advice}`, async () => {
    const world = new World();
    const { client, link } = await world.connected({ token: () => 't' });
    await world.clock.pass(10_000);
    if (advice === 'never') world.greeting = {};
    link.end(Number(number), reason);
    const fresh = Number(number) === 4200;
    if (advice === 'never' && !fresh) {
      expect(client.state).toEqual({ name: 'closed', code: Number(number), reason });
      await world.clock.pass(600_000);
      expect(world.links.length).toBe(1);
      return;
    }
    expect(client.state).toMatchObject({ name: 'backoff', code: Number(number), reason });
    const wait = backoff(client.state).until - world.clock.time;
    // Half of the window, as the die says: 500 ms at once, twice as much later.
    expect(wait).toBe(advice === 'later' ? 500 : 250);
    await world.clock.pass(wait);
    expect(client.state.name).toBe('open');
  });
}

test('a broken connection comes back at once', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  await world.clock.pass(10_000);
  link.end();
  expect(backoff(client.state).until - world.clock.time).toBe(250);
});

test('back-off doubles up to 30 s, by a die of its own, and starts anew after a connection that lived', async () => {
  const world = new World();
  world.random = 1;
  world.behaviour.webtransport = world.behaviour.websocket = 'fail';
  const { client } = await world.connected();
  const waits: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    expect(backoff(client.state).attempt).toBe(i + 2);
    waits.push(backoff(client.state).until - world.clock.time);
    await world.clock.pass(waits.at(-1) ?? 0);
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  world.random = 0;
  world.behaviour.webtransport = 'open';
  await world.clock.pass(30_000);
  expect(client.state.name).toBe('open');
  await world.clock.pass(5_000);
  world.random = 1;
  world.link.end(4000);
  expect(backoff(client.state).until - world.clock.time).toBe(500);
});

test('connections that keep dying young are backed off from, even with "now"', async () => {
  const world = new World();
  world.random = 1;
  const { client } = await world.connected();
  const waits: number[] = [];
  for (let i = 0; i < 4; i += 1) {
    world.link.end(4000);
    waits.push(backoff(client.state).until - world.clock.time);
    await world.clock.pass(waits.at(-1) ?? 0);
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000]);
});

test('a server that goes away is left for a connection beside the one that there is', async () => {
  const world = new World();
  world.random = 1;
  const { client, link } = await world.connected();
  const seen = states(client);
  link.say({ event: 'server:going_away', data: { within_ms: 1_000 } });
  await world.clock.pass(499);
  expect(world.links).toHaveLength(1);
  await world.clock.pass(1);
  expect(world.links).toHaveLength(2);
  expect(link.closed).toBeDefined();
  expect(seen).toEqual(['open', 'open']);
});

test('with nowhere to move to it stays, and then comes back soon', async () => {
  const world = new World();
  world.random = 1;
  const { client, link } = await world.connected();
  world.behaviour.webtransport = world.behaviour.websocket = 'fail';
  link.say({ event: 'server:going_away', data: { within_ms: 1_000 } });
  await world.clock.pass(999);
  expect(client.state.name).toBe('open');
  link.end(4000);
  const waits: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    waits.push(backoff(client.state).until - world.clock.time);
    await world.clock.pass(waits.at(-1) ?? 0);
  }
  expect(waits).toEqual([1_000, 2_000, 3_000, 3_000, 3_000]);
});

test('a refusal tells when to come back', async () => {
  const world = new World();
  world.greets = false;
  const { client, link } = await world.connected();
  link.refuse('authenticate', 'UNAVAILABLE', 7_000);
  expect(client.state).toMatchObject({ name: 'backoff', code: 4102, until: world.clock.time + 7_000 });
  expect(backoff(client.state).error).toMatchObject({ code: 'UNAVAILABLE' });
});

test('back on WebTransport while WebSocket goes on: made before broken, with growing pauses', async () => {
  const world = new World();
  world.behaviour.webtransport = 'fail';
  const { client, link } = await world.connected();
  await keepAlive(world, 120_000);
  expect(world.opened.filter((kind) => kind === 'webtransport').length).toBe(1 + 2);
  world.behaviour.webtransport = 'open';
  await keepAlive(world, 100_000);
  expect(client.state).toMatchObject({ name: 'open', transport: 'webtransport' });
  expect(link.closed).toBeDefined();
  expect(client.stats().reconnects).toBe(1);
});

test('a forced transport is changed to at once, the old one closed after', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const seen = states(client);
  client.useTransport('websocket');
  await world.clock.pass(0);
  expect(seen).toEqual(['open', 'open']);
  expect(client.state).toMatchObject({ transport: 'websocket' });
  expect(link.closed).toBeDefined();
  client.useTransport('auto');
  await world.clock.pass(0);
  expect(client.state).toMatchObject({ transport: 'webtransport' });
  client.useTransport('webtransport');
  await world.clock.pass(0);
  expect(world.links.length).toBe(3);
});

test('a change of transport while connecting begins anew', async () => {
  const world = new World();
  world.behaviour.webtransport = 'hang';
  const { client } = await world.connected();
  client.useTransport('websocket');
  await world.clock.pass(0);
  expect(client.state).toMatchObject({ name: 'open', transport: 'websocket' });
});

test('close is final until connect, in every state, and leaves no timers', async () => {
  for (const until of ['connecting', 'authenticating', 'open', 'backoff']) {
    const world = new World();
    world.greets = until !== 'authenticating';
    if (until === 'connecting') world.behaviour.webtransport = 'hang';
    const { client } = await world.connected();
    if (until === 'backoff') client.interrupt();
    expect(client.state.name).toBe(until);
    client.close();
    expect(client.state).toEqual({ name: 'closed' });
    await world.clock.pass(2_000);
    const opened = world.opened.length;
    await world.clock.pass(600_000);
    expect(world.opened.length).toBe(opened);
    expect(world.clock.timers).toBe(0);
    world.greets = true;
    world.behaviour.webtransport = 'open';
    client.connect();
    await world.clock.pass(1_000);
    expect(client.state.name).toBe('open');
  }
});

test('pauses end with the client: close leaves no timers', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  void client.request('message:send', { conversation_id: 'c1', text: 'x' }).catch(() => {});
  link.refuse('message:send', 'UNAVAILABLE', 60_000);
  client.subscribe('locations');
  link.refuse('subscribe', 'UNAVAILABLE', 60_000);
  client.close();
  expect(world.clock.timers).toBe(0);
  // The pause was the old connection's: the next one sends at once.
  client.connect();
  await world.clock.pass(0);
  expect(world.link.asked('message:send').length).toBe(1);
  expect(world.link.asked('subscribe').length).toBe(1);
});
