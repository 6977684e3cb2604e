// Live positions: what is shown follows from snapshot, events and packets, in whatever order they come.
import { expect, test } from 'vitest';
import { Feed, type Change } from '../src/feed.ts';
import type { Agent } from '../src/index.ts';
import { FakeClock, World } from './fake.ts';

const T = 1_790_000_000_000;

/** A packet of ticks: view 3, epoch 5, each `[alias, time, latitude]`. */
function packet(ticks: [alias: number, time: number, lat: number][], { view = 3, epoch = 5, base = T } = {}): Uint8Array {
  const out = [1, view, epoch];
  const unsigned = (value: number) => {
    if (value <= 250) return void out.push(value);
    if (value <= 0xffff_ffff) return void out.push(0xfc, ...new Uint8Array(new Uint32Array([value]).buffer));
    out.push(0xfd);
    for (let i = 0, rest = BigInt(value); i < 8; i += 1, rest >>= 8n) out.push(Number(rest & 0xffn));
  };
  const signed32 = (value: number) => {
    const zigzag = value >= 0 ? 2 * value : -2 * value - 1;
    out.push(0xfc, ...new Uint8Array(new Uint32Array([zigzag]).buffer));
  };
  unsigned(base);
  unsigned(ticks.length);
  for (const [alias, time, lat] of ticks) {
    unsigned(alias);
    const after = time - base;
    unsigned(after >= 0 ? 2 * after : -2 * after - 1);
    signed32(Math.round(lat * 1e7));
    signed32(0);
    out.push(0, 0, 0, 0);
  }
  return Uint8Array.from(out);
}

const agent = (alias: number, agent_id: string, time?: number, lat = 0) => ({
  alias,
  agent_id,
  ...(time !== undefined && { fix: { counter: 1, time, lat, lon: 0 } }),
});
const snapshot = (agents: object[], more = false, epoch = 5) => ({ view: 3, epoch, agents, more }) as never;

function feed() {
  const clock = new FakeClock();
  const feed = new Feed(clock);
  const changes: Change[] = [];
  feed.events.on('change', (change) => changes.push(change));
  const shown = () => Object.fromEntries([...feed.agents].map(([id, { fix }]: [string, Agent]) => [id, fix?.lat]));
  return { clock, feed, changes, shown };
}

test('a snapshot in parts is shown when it is complete, then ticks move it', () => {
  const { feed: f, changes, shown } = feed();
  f.granted({ channel: 'locations', view: 3, epoch: 5 });
  f.snapshot(snapshot([agent(7, 'bob', T, 1)], true));
  expect([f.state, shown()]).toEqual(['waiting', {}]);
  f.packet(packet([[7, T + 1, 2]]), true);
  f.snapshot(snapshot([agent(8, 'carol')]));
  expect([f.state, shown()]).toEqual(['live', { bob: 2, carol: undefined }]);
  expect(changes).toMatchObject([{ reset: true, removed: [] }]);
  const before = f.agents.get('bob');
  f.packet(packet([[7, T + 5, 3], [8, T + 5, 4]]), true);
  expect(shown()).toEqual({ bob: 3, carol: 4 });
  expect(before?.fix?.lat).toBe(2);
  expect(changes.at(-1)?.changed.map(({ agentId }) => agentId)).toEqual(['bob', 'carol']);
});

test('newest wins, whatever overtakes', () => {
  const { feed: f, changes, shown } = feed();
  f.granted({ channel: 'locations', view: 3, epoch: 5 });
  f.snapshot(snapshot([agent(7, 'bob', T + 10, 1)]));
  const { length } = changes;
  f.packet(packet([[7, T + 9, 5]]), true);
  f.packet(packet([[7, T + 10, 6]]), true);
  f.joined({ view: 3, epoch: 5, agents: [agent(7, 'bob', T + 3, 7)] } as never);
  expect(shown()).toEqual({ bob: 1 });
  expect(changes.length).toBe(length);
});

test('what comes too early is held for 2 s: packets before the answer, ticks before their alias', async () => {
  const { feed: f, clock, shown } = feed();
  f.packet(packet([[7, T + 5, 2]]), true);
  f.packet(packet([[7, T + 4, 1]]), true);
  f.granted({ channel: 'locations', view: 3, epoch: 5 });
  f.snapshot(snapshot([agent(7, 'bob', T, 0)]));
  expect(shown()).toEqual({ bob: 2 });
  f.packet(packet([[8, T + 5, 3], [9, T + 5, 4]]), true);
  await clock.pass(1_999);
  f.joined({ view: 3, epoch: 5, agents: [agent(8, 'carol', T, 0)] } as never);
  expect(shown()).toEqual({ bob: 2, carol: 3 });
  await clock.pass(2);
  f.joined({ view: 3, epoch: 5, agents: [agent(9, 'dave', T, 0)] } as never);
  expect(shown()).toEqual({ bob: 2, carol: 3, dave: 0 });
});

test('what is held is bounded', () => {
  const { feed: f, shown } = feed();
  for (let i = 0; i < 100; i += 1) f.packet(packet([[7, T + i, i / 10]], { epoch: 6 }), true);
  expect(f.drops).toBe(36);
  f.granted({ channel: 'locations', view: 3, epoch: 5 });
  for (let i = 0; i < 300; i += 1) {
    f.packet(packet(Array.from({ length: 20 }, (_, n): [number, number, number] => [1000 + 20 * i + n, T, 1])), true);
  }
  expect(f.drops).toBe(36 + 6_000 - 2_048);
  f.snapshot(snapshot([agent(7, 'bob', T, 0)], false, 6));
  expect(shown()).toEqual({ bob: 9.9 });
});

test('another epoch forgets everybody, and so do removed agents', () => {
  const { feed: f, changes, shown } = feed();
  f.granted({ channel: 'locations', view: 3, epoch: 5 });
  f.snapshot(snapshot([agent(7, 'bob', T, 1), agent(8, 'carol', T, 2)]));
  f.removed({ view: 3, epoch: 5, aliases: [7, 99] });
  expect(changes.at(-1)).toMatchObject({ removed: ['bob'], changed: [], reset: false });
  f.packet(packet([[7, T + 9, 5]]), true);
  expect(shown()).toEqual({ carol: 2 });
  f.snapshot(snapshot([agent(7, 'erin', T, 3)], false, 6));
  expect(shown()).toEqual({ erin: 3 });
  f.removed({ view: 3, epoch: 5, aliases: [7] });
  f.joined({ view: 4, epoch: 6, agents: [agent(1, 'x', T, 1)] } as never);
  expect(shown()).toEqual({ erin: 3 });
});

test('after an interruption the old picture stays until there is a new one', () => {
  const { feed: f, changes, shown } = feed();
  f.granted({ channel: 'locations', view: 3, epoch: 5 });
  f.snapshot(snapshot([agent(7, 'bob', T, 1)]));
  f.interrupted();
  expect([f.state, shown()]).toEqual(['waiting', { bob: 1 }]);
  f.granted({ channel: 'locations', view: 3, epoch: 5 });
  f.snapshot(snapshot([agent(1, 'bob', T, 2)], true));
  expect(shown()).toEqual({ bob: 1 });
  f.snapshot(snapshot([]));
  expect([f.state, shown()]).toEqual(['live', { bob: 2 }]);
  expect(changes.at(-1)?.reset).toBe(true);
});

test('bad packets are counted, not shown', () => {
  const { feed: f } = feed();
  f.packet(new Uint8Array(), true);
  f.packet(new Uint8Array([2, 3]), true);
  expect([f.packets, f.drops, f.lost]).toEqual([2, 2, 0]);
});

test('losses are estimated from repetitions that bring news, and never fall', () => {
  const { feed: f } = feed();
  f.granted({ channel: 'locations', view: 3, epoch: 5 });
  f.snapshot(snapshot([agent(7, 'bob', T, 0)]));
  // Of twenty values, the 5th and the 15th only come with their repetition a second later.
  const lost = [];
  for (let i = 1; i <= 20; i += 1) {
    const at = T + 3_000 * i;
    if (i % 10 !== 5) f.packet(packet([[7, at - 50, i]], { base: at }), true);
    f.packet(packet([[7, at - 50, i]], { base: at + 1_100 }), true);
    lost.push(f.lost);
  }
  expect(f.packets).toBe(38);
  expect(lost).toEqual([0, 0, 0, 0, ...Array(10).fill(1), ...Array(6).fill(2)]);
});

test('a page that reads late, an agent that sends late, and one that lags have lost nothing', async () => {
  const { feed: f, clock } = feed();
  f.granted({ channel: 'locations', view: 3, epoch: 5 });
  f.snapshot(snapshot([agent(7, 'bob', T, 0), agent(8, 'carol', T, 0)]));
  for (let i = 1; i <= 50; i += 1) {
    // The page stands still for up to 4 s, and then reads what waited.
    if (i % 10 === 0) await clock.pass(4_000);
    const at = T + 1_000 * i;
    // Carol's device is in a tunnel now and then, and sends what it kept.
    const carol = i % 5 === 0 ? at - 1_500 : at - 80;
    f.packet(packet([[7, at - 50, i], [8, carol, i]], { base: at }), true);
    f.packet(packet([[8, carol, i]], { base: at + 1_100 }), true);
    if (i % 10 === 1) f.packet(packet([[7, at + 20, i], [8, at + 1_300, i]], { base: at + 20 }), true);
  }
  expect(f.lost).toBe(0);
});

test('a client subscribes once for all who look, and again after each reconnect', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const a = client.subscribe('locations');
  const b = client.subscribe('locations', {});
  expect(link.asked('subscribe').length).toBe(1);
  link.reply('subscribe', { subscriptions: [{ channel: 'locations', view: 3, epoch: 5 }] });
  link.say({ event: 'location:snapshot', data: snapshot([agent(7, 'bob', T, 1)]) });
  expect([a.state, b.agents.size]).toEqual(['live', 1]);
  const version = a.version;
  link.listener.packet(packet([[7, T + 1, 2]]));
  expect(a.version).toBeGreaterThan(version);
  client.interrupt();
  expect(a.state).toBe('waiting');
  await world.clock.pass(5_000);
  expect(world.link.asked('subscribe').length).toBe(1);
  const north = client.subscribe('locations', { department_id: 'north' });
  expect(world.link.asked('subscribe').at(-1)?.data).toEqual({ channels: ['locations'], department_id: 'north' });
  // The answer to a wish that is no longer the newest counts for nothing.
  north.close();
  north.close();
  expect(world.link.asked('subscribe').length).toBe(3);
  let told = 0;
  a.on('change', () => (told += 1));
  a.close();
  b.close();
  expect(world.link.asked('unsubscribe').length).toBe(1);
  expect(a.agents.size).toBe(0);
  expect(told).toBe(0);
});

test('a subscription that is refused for now is asked for again', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const errors: unknown[] = [];
  client.on('error', ({ code }) => errors.push(code));
  const locations = client.subscribe('locations');
  link.refuse('subscribe', 'UNAVAILABLE', 800);
  await world.clock.pass(800);
  expect(link.asked('subscribe').length).toBe(2);
  // Whether the server names a pause, or not.
  link.refuse('subscribe', 'INTERNAL_ERROR');
  await world.clock.pass(2_000);
  expect(link.asked('subscribe').length).toBe(3);
  expect(locations.error).toBeUndefined();
  link.refuse('subscribe', 'UNAUTHORIZED');
  await world.clock.pass(60_000);
  expect(link.asked('subscribe').length).toBe(3);
  expect(errors).toEqual(['UNAVAILABLE', 'INTERNAL_ERROR', 'UNAUTHORIZED']);
});

async function live(options = {}) {
  const world = new World();
  world.greeting = { expires_at: world.clock.time + 100_000 };
  const { client, link } = await world.connected({ token: () => 't', ...options });
  const locations = client.subscribe('locations');
  const errors: string[] = [];
  locations.on('error', ({ code }) => errors.push(code));
  const grant = (on = link) => {
    on.reply('subscribe', { subscriptions: [{ channel: 'locations', view: 3, epoch: 5 }] });
    on.say({ event: 'location:snapshot', data: snapshot([agent(7, 'bob', T, 1)]) });
  };
  grant();
  expect([locations.state, locations.agents.size]).toEqual(['live', 1]);
  return { world, client, link, locations, errors, grant };
}

test('back with fewer rights: old positions go, and why is told, until they are granted again', async () => {
  const { world, client, locations, errors, grant } = await live();
  client.interrupt();
  await world.clock.pass(5_000);
  expect([locations.state, locations.agents.size]).toEqual(['waiting', 1]);
  const { version } = locations;
  world.link.refuse('subscribe', 'UNAUTHORIZED');
  expect([locations.state, locations.agents.size, locations.error?.code]).toEqual(['waiting', 0, 'UNAUTHORIZED']);
  expect(errors).toEqual(['UNAUTHORIZED']);
  expect(locations.version).toBeGreaterThan(version);
  client.interrupt();
  await world.clock.pass(5_000);
  grant(world.link);
  expect([locations.state, locations.agents.size, locations.error]).toEqual(['live', 1, undefined]);
  locations.close();
});

test('rights that go while the connection stays: what is shown is not live any more', async () => {
  const { world, client, link, locations, errors } = await live();
  for (let i = 0; i < 30 && link.asked('token:refresh').length === 0; i += 1) {
    await world.clock.pass(5_000);
    link.say({ event: 'server:ping', data: { time: 1 } });
  }
  link.reply('token:refresh', { expires_at: world.clock.time + 100_000, roles: [], resubscribe: ['locations'] });
  expect([locations.state, link.asked('subscribe').length]).toEqual(['waiting', 2]);
  // Of a view that has ended.
  link.listener.packet(packet([[7, T + 1, 2]]));
  expect(locations.agents.get('bob')?.fix?.lat).toBe(1);
  link.refuse('subscribe', 'UNAUTHORIZED');
  expect([locations.state, locations.agents.size, errors]).toEqual(['waiting', 0, ['UNAUTHORIZED']]);
  client.close();
});
