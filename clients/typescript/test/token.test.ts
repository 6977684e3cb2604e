// Tokens: refused, expired, renewed in place, and what other rights change.
import { expect, test } from 'vitest';
import type { State } from '../src/index.ts';
import { keepAlive, World } from './fake.ts';

const backoff = (state: State) => state as Extract<State, { name: 'backoff' }>;

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
