// Clocks that are wrong, are set, or stand still: what people see is the server's time, what is waited for passes.
import { expect, test } from 'vitest';
import { Chat } from '../src/chat/index.ts';
import { patiently } from '../src/clock.ts';
import { ServerTime } from '../src/servertime.ts';
import type { State } from '../src/index.ts';
import { FakeClock, keepAlive, settle, World } from './fake.ts';
import { summary } from './chatting.ts';

const MINUTE = 60_000;
const backoff = (state: State) => state as Extract<State, { name: 'backoff' }>;
const open = (state: State) => state as Extract<State, { name: 'open' }>;

test('the shortest round trip says what the server shows, and longer ones do not spoil it', async () => {
  const clock = new FakeClock();
  const time = new ServerTime(clock);
  clock.wrong = 20 * MINUTE;
  expect(time.now()).toBe(clock.time + 20 * MINUTE);
  expect(time.known).toBe(false);
  // The server is a day ahead; the answer took 2 s to come and no time to go.
  const server = () => clock.time + 86_400_000;
  const trip = async (there: number, back: number) => {
    const sent = clock.monotonic();
    await clock.pass(there);
    const shown = server();
    await clock.pass(back);
    return time.showed(shown, sent);
  };
  await trip(0, 2_000);
  expect(Math.abs(time.now() - server())).toBeLessThanOrEqual(1_000);
  await trip(20, 30);
  const error = Math.abs(time.now() - server());
  expect(error).toBeLessThanOrEqual(25);
  expect(await trip(0, 3_000)).toBe(true);
  expect(await trip(5_000, 0)).toBe(true);
  expect(Math.abs(time.now() - server())).toBeLessThanOrEqual(26);
  // Nor does what comes without having been asked for, however late it is.
  const late = server();
  await clock.pass(10_000);
  expect(time.showed(late)).toBe(true);
  expect(Math.abs(time.now() - server())).toBeLessThanOrEqual(27);
});

test('a step of this machine\'s clock changes nothing that is seen', async () => {
  const world = new World();
  const { client } = await world.connected();
  const before = client.now();
  world.clock.wrong = 20 * MINUTE;
  expect(client.now()).toBe(before);
  world.clock.wrong = -3 * 60 * MINUTE;
  await keepAlive(world, 40_000);
  expect(Math.abs(client.now() - before - 40_000)).toBeLessThanOrEqual(2);
  expect(client.state.name).toBe('open');
  expect(client.stats(false).lastHeard).toBeGreaterThanOrEqual(before);
});

test('a step of the server\'s clock is followed', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const here = world.clock.time;
  const shows = (ahead: number) => {
    link.say({ event: 'server:ping', data: { time: world.clock.time + ahead } });
    link.reply('client:ping', { time: world.clock.time + ahead }, 'client:pong');
  };
  world.pongs = false;
  shows(3_600_000);
  expect(client.now() - here).toBe(3_600_000);
  shows(-3_600_000);
  expect(client.now() - here).toBe(-3_600_000);
});

test.each([[20 * MINUTE], [-20 * MINUTE]])('with a clock that is wrong by %i ms all times are the server\'s', async (wrong) => {
  const world = new World();
  world.clock.wrong = wrong;
  const client = world.client();
  const sent = client.request('message:send', { conversation_id: 'c1', text: 'before the greeting' });
  sent.catch(() => {});
  expect(client.outbox[0]?.since).toBe(world.clock.time + wrong);
  client.connect();
  await world.clock.pass(0);
  const server = world.clock.time;
  expect(client.now()).toBe(server);
  expect(open(client.state)).toMatchObject({ since: server, expiresAt: server + 3_600_000 });
  expect(client.outbox[0]?.since).toBe(server);
  expect(client.stats(false).lastHeard).toBe(server);
  const locations = client.subscribe('locations');
  await settle();
  world.link.reply('subscribe', { subscriptions: [{ channel: 'locations', view: 1, epoch: 1 }] });
  world.link.say({ event: 'location:snapshot', data: { view: 1, epoch: 1, agents: [{ alias: 1, agent_id: 'a' }], more: false } });
  expect(locations.agents.get('a')?.receivedAt).toBe(server);
  world.link.end();
  expect(backoff(client.state).until - client.now()).toBe(500);
  client.close();
});

test('a message that was written before the clock was known is dated anew', async () => {
  const world = new World();
  world.clock.wrong = 20 * MINUTE;
  const client = world.client();
  const chat = new Chat(client);
  client.connect();
  await world.clock.pass(0);
  world.link.reply('conversation:list', { conversations: [summary()] });
  await settle();
  chat.send('c1', 'after').catch(() => {});
  expect(chat.messages('c1').items.map(({ at }) => at)).toEqual([world.clock.time]);

  const early = new World();
  early.clock.wrong = 20 * MINUTE;
  early.greets = false;
  const second = early.client();
  const other = new Chat(second);
  second.request('message:send', { conversation_id: 'c1', text: 'before' }).catch(() => {});
  second.connect();
  await early.clock.pass(0);
  early.greet(early.link);
  await settle();
  early.link.reply('conversation:list', { conversations: [summary()] });
  await settle();
  expect(other.messages('c1').items.map(({ at }) => at)).toEqual([early.clock.time]);
});

test('a token that is good by the server\'s clock is renewed by that clock', async () => {
  const world = new World();
  world.clock.wrong = 20 * MINUTE;
  const why: string[] = [];
  world.greeting = { expires_at: world.clock.time + 10 * MINUTE };
  await world.connected({ token: ({ reason }) => (why.push(reason), `t-${why.length}`) });
  await keepAlive(world, 8 * MINUTE);
  expect(why).toEqual(['connect']);
  await keepAlive(world, MINUTE + 5_000);
  expect(why).toEqual(['connect', 'expiring']);
});

test('a clock that was set ahead, or a sleep in which the other one stood still, is no silence: somebody is asked', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  await world.clock.pass(6_000);
  const before = link.asked('client:ping').length;
  world.clock.wrong += 3_600_000;
  await world.clock.pass(6_000);
  expect(link.asked('client:ping').length).toBe(before + 1);
  expect(client.state.name).toBe('open');
});

test('after such a sleep the server\'s time is right again with the first answer, and a token that ended is renewed', async () => {
  const world = new World();
  const why: string[] = [];
  const { client, link } = await world.connected({ token: ({ reason }) => (why.push(reason), `t-${why.length}`) });
  await world.clock.pass(6_000);
  world.pongs = false;
  // Two hours of sleep that the monotonic clock did not see.
  const slept = 7_200_000;
  world.clock.wrong += slept;
  await world.clock.pass(6_000);
  link.reply('client:ping', { time: world.clock.time + slept }, 'client:pong');
  // The answer took a second or two.
  expect(Math.abs(client.now() - world.clock.time - slept)).toBeLessThanOrEqual(1_000);
  await world.clock.pass(6_000);
  expect(why).toEqual(['connect', 'expiring']);
});

test('a limit counts only while the thread runs', async () => {
  const clock = new FakeClock();
  const over: number[] = [];
  patiently(clock, 1_500, () => over.push(clock.time));
  const began = clock.time;
  // Blocked for two seconds, again and again: each time a part of the limit passes.
  for (let i = 0; i < 5; i += 1) await clock.sleep(2_000);
  expect(over).toEqual([]);
  await clock.pass(1_500);
  expect(over).toHaveLength(1);
  const free = new FakeClock();
  patiently(free, 1_500, () => over.push(free.time));
  await free.pass(1_499);
  expect(over).toHaveLength(1);
  await free.pass(1);
  expect(over).toHaveLength(2);
  expect(clock.time).toBeGreaterThan(began);
  const stop = patiently(free, 1_500, () => over.push(0));
  await free.pass(700);
  stop();
  await free.pass(5_000);
  expect(over).toHaveLength(2);
});

test('a thread that is blocked is taken for no slow transport', async () => {
  const world = new World();
  world.behaviour.webtransport = 'hang';
  const { client } = await world.connected();
  await world.clock.sleep(3_000);
  expect(world.opened).toEqual(['webtransport']);
  await world.clock.pass(500);
  expect(world.opened).toEqual(['webtransport', 'websocket']);
  client.close();
});
