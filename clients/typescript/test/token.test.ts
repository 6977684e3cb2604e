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

test('a refusal that passes brings the client back, when the server says', async () => {
  const world = new World();
  world.greets = false;
  const { client, link } = await world.connected();
  link.refuse('authenticate', 'TOKEN_NOT_YET_VALID', 10_000);
  expect(client.state).toMatchObject({ name: 'backoff', error: { code: 'TOKEN_NOT_YET_VALID' } });
  expect(backoff(client.state).until - client.now()).toBe(10_000);
  world.greets = true;
  await world.clock.pass(10_000);
  expect(client.state.name).toBe('open');
});

test.each([
  ['by its name alone', (world: World) => world.link.refuse('authenticate', 'TOKEN_NOT_YET_VALID')],
  ['by its moment, whatever it is called', (world: World) => world.link.refuse('authenticate', 'OF_A_LATER_VERSION', 500)],
  ['by a close code of the hundreds that pass', (world: World) => world.link.end(4142, 'too early')],
])('it is known %s', async (_, refuse) => {
  const world = new World();
  world.greets = false;
  const { client } = await world.connected({ transport: 'websocket' });
  refuse(world);
  expect(client.state.name).toBe('backoff');
  // Later than after a broken connection.
  expect(backoff(client.state).until - client.now()).toBe(1_000);
  world.greets = true;
  await world.clock.pass(30_000);
  expect(client.state.name).toBe('open');
});

test('the new line that a program ends a token with is no part of it', async () => {
  for (const token of [' t-1\r\n', () => 't-1\n']) {
    const world = new World();
    const { link } = await world.connected({ token });
    expect(link.asked('authenticate')[0]?.data.token).toBe('t-1');
  }
});

test.each([['', 'empty'], [' \n', 'empty'], ['a b', 'white space'], ['a\nb', 'white space']])('the token %j is none', async (token, why) => {
  for (const given of [token, () => token]) {
    const world = new World();
    const client = world.client({ token: given });
    const asked = client.request('message:send', { conversation_id: 'c1', text: 'x' });
    asked.catch(() => {});
    client.connect();
    await world.clock.pass(0);
    expect(client.state).toMatchObject({ name: 'closed', code: 4200, error: { code: 'AUTH_FAILED' } });
    expect((client.state as { reason: string }).reason).toContain(why);
    expect(world.links).toEqual([]);
    await expect(asked).rejects.toMatchObject({ code: 'AUTH_FAILED' });
    await expect(client.request('conversation:list', {})).rejects.toMatchObject({ code: 'AUTH_FAILED' });
  }
});

test('who is refused for good gets the server\'s own code, or its close code', async () => {
  const world = new World();
  world.greets = false;
  const client = world.client();
  client.connect();
  const asked = client.request('conversation:list', {});
  asked.catch(() => {});
  await world.clock.pass(0);
  world.link.refuse('authenticate', 'ORIGIN_REFUSED');
  await expect(asked).rejects.toMatchObject({ code: 'ORIGIN_REFUSED' });
  expect(client.state).toMatchObject({ name: 'closed', reason: 'ORIGIN_REFUSED' });

  const other = new World();
  other.greets = false;
  const second = other.client({ transport: 'websocket' });
  second.connect();
  const waits = second.request('conversation:list', {});
  waits.catch(() => {});
  await other.clock.pass(0);
  other.link.end(4201);
  await expect(waits).rejects.toMatchObject({ code: 'CLOSED', message: 'refused, close code 4201' });
});
