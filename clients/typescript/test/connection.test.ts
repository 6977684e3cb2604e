// Getting a connection, and losing it: race, close codes, back-off, tokens, liveness, the page.
import { afterEach, expect, test, vi } from 'vitest';
import { CLOSE } from '../src/generated.ts';
import { memoryStore, type State } from '../src/index.ts';
import { settle, states, World } from './fake.ts';

afterEach(() => vi.unstubAllGlobals());

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

test('a text that is refused ends it; a callback is asked once more', async () => {
  const world = new World();
  world.greets = false;
  const { client, link } = await world.connected();
  link.refuse('authenticate', 'AUTH_FAILED');
  expect(client.state).toMatchObject({ name: 'closed', code: 4200 });

  const why: string[] = [];
  const second = new World();
  second.greets = false;
  const { client: other } = await second.connected({ token: ({ reason }) => (why.push(reason), `t-${why.length}`) });
  second.link.refuse('authenticate', 'AUTH_FAILED');
  expect(other.state.name).toBe('backoff');
  await second.clock.pass(5_000);
  expect(second.link.asked('authenticate')[0]?.data.token).toBe('t-2');
  second.link.refuse('authenticate', 'AUTH_FAILED');
  expect(other.state).toMatchObject({ name: 'closed', code: 4200 });
  expect(why).toEqual(['connect', 'expired']);
});

test('an expired token: the callback is asked for a new one, a text ends it', async () => {
  const world = new World();
  const why: string[] = [];
  const { client, link } = await world.connected({ token: ({ reason }) => (why.push(reason), `t-${why.length}`) });
  link.end(4003, 'token expired');
  await world.clock.pass(5_000);
  expect(client.state.name).toBe('open');
  expect(why).toEqual(['connect', 'expired']);
  expect(world.link.asked('authenticate')[0]?.data.token).toBe('t-2');

  const text = await new World().connected();
  text.link.end(4003, 'token expired');
  expect(text.client.state).toMatchObject({ name: 'closed', code: 4003 });
});

test('a token callback that fails is asked again; one that says AUTH_FAILED ends it', async () => {
  const { FanfareError } = await import('../src/index.ts');
  const world = new World();
  let failures = 2;
  const token = () => {
    if (failures-- > 0) throw new Error('offline');
    return 't';
  };
  const { client } = await world.connected({ token });
  expect(backoff(client.state).error?.message).toContain('offline');
  await world.clock.pass(10_000);
  expect(client.state.name).toBe('open');

  const none = async () => {
    throw new FanfareError('AUTH_FAILED', 'signed out');
  };
  const { client: other } = await new World().connected({ token: none });
  expect(other.state).toMatchObject({ name: 'closed', code: 4200 });
});

test('the token is renewed in place, ahead of its end', async () => {
  const world = new World();
  world.greeting = { expires_at: world.clock.time + 600_000 };
  const why: string[] = [];
  const { client, link } = await world.connected({ token: ({ reason }) => (why.push(reason), `t-${why.length}`) });
  await keepAlive(world, 539_000);
  expect(link.asked('token:refresh')).toEqual([]);
  await keepAlive(world, 6_000);
  expect(link.asked('token:refresh').map(({ data }) => data)).toEqual([{ token: 't-2' }]);
  expect(why).toEqual(['connect', 'expiring']);
  const expires_at = world.clock.time + 600_000;
  link.reply('token:refresh', { expires_at, roles: ['admin'], resubscribe: [] });
  expect(client.state).toMatchObject({ name: 'open', roles: ['admin'], expiresAt: expires_at });
  expect(world.links.length).toBe(1);
  await keepAlive(world, 545_000);
  expect(link.asked('token:refresh').length).toBe(2);
});

test('with other rights, what the server ended is subscribed to again', async () => {
  const world = new World();
  world.greeting = { expires_at: world.clock.time + 100_000 };
  const { client, link } = await world.connected({ token: () => 't' });
  client.subscribe('locations');
  await keepAlive(world, 86_000);
  link.reply('token:refresh', { expires_at: world.clock.time + 100_000, roles: [], resubscribe: ['locations'] });
  expect(link.asked('subscribe').length).toBe(2);
});

test('positions that other rights no longer grant are gone, and back when they do again', async () => {
  const world = new World();
  world.greeting = { expires_at: world.clock.time + 100_000 };
  const { client, link } = await world.connected({ token: () => 't' });
  const locations = client.subscribe('locations');
  link.reply('subscribe', { subscriptions: [{ channel: 'locations', view: 3, epoch: 5 }] });
  link.say({ event: 'location:snapshot', data: { view: 3, epoch: 5, agents: [{ alias: 1, agent_id: 'bob' }], more: false } });
  expect(locations.agents.size).toBe(1);
  const ended = (view: number) =>
    link.say({ event: 'subscription:ended', data: { channel: 'locations', view, error: { code: 'UNAUTHORIZED', message: 'no longer' } } });
  ended(2);
  expect([locations.agents.size, locations.error]).toEqual([1, undefined]);
  await keepAlive(world, 86_000);
  ended(3);
  link.reply('token:refresh', { expires_at: world.clock.time + 100_000, roles: [] });
  expect([locations.agents.size, locations.error?.code]).toEqual([0, 'UNAUTHORIZED']);
  link.refuse('subscribe', 'UNAUTHORIZED');
  expect(link.asked('subscribe').length).toBe(2);
  await keepAlive(world, 86_000);
  link.reply('token:refresh', { expires_at: world.clock.time + 100_000, roles: ['supervisor'] });
  expect(link.asked('subscribe').length).toBe(3);
});

test('a renewal that fails changes nothing until the server closes', async () => {
  const world = new World();
  world.greeting = { expires_at: world.clock.time + 100_000 };
  const { client, link } = await world.connected({ token: () => 't' });
  await keepAlive(world, 86_000);
  link.refuse('token:refresh', 'INVALID_MESSAGE');
  expect(client.state.name).toBe('open');
  link.end(4003, 'token expired');
  await world.clock.pass(5_000);
  expect(client.state.name).toBe('open');
});

test('a heartbeat is answered while it is read', async () => {
  const world = new World();
  const { link } = await world.connected();
  link.say({ event: 'server:ping', data: { time: 1 } });
  expect(link.said.at(-1)).toEqual({ event: 'server:pong', data: {} });
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

/** Time passes and the server is heard. */
async function keepAlive(world: World, ms: number): Promise<void> {
  for (let rest = ms; rest > 0; rest -= 20_000) {
    world.link.say({ event: 'server:ping', data: { time: world.clock.time } });
    await world.clock.pass(Math.min(rest, 20_000));
  }
}
