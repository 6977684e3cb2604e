// Requests: answers, refusals, the outbox.
import { expect, test, vi } from 'vitest';
import { FanfareError, memoryStore } from '../src/index.ts';
import { settle, World } from './fake.ts';

const stored = { topic: 'conversation:c1', epoch: 1, seq: 7, at: 1 };
const text = (text: string, conversation_id = 'c1') => ({ conversation_id, text });
const caught = (work: Promise<unknown>) => work.then(() => undefined, (error: FanfareError) => error);

test('answers by id, refusals by code', async () => {
  const { client, link } = await new World().connected();
  const list = client.request('conversation:list', {});
  const track = caught(client.request('location:history', { agent_id: 'bob', from: 0, to: 1 }));
  link.refuse('location:history', 'UNAUTHORIZED');
  link.reply('conversation:list', { conversations: [] });
  expect(await list).toEqual({ conversations: [] });
  expect(await track).toMatchObject({ name: 'FanfareError', code: 'UNAUTHORIZED', message: 'UNAUTHORIZED' });
});

test('what is not durable fails with its connection, waits for the first, and does not wait in vain', async () => {
  const world = new World();
  const client = world.client();
  expect(await caught(client.request('conversation:list', {}))).toMatchObject({ code: 'CLOSED' });
  client.connect();
  const early = client.request('conversation:list', {});
  await world.clock.pass(0);
  world.link.reply('conversation:list', { conversations: [] });
  await early;
  const cut = caught(client.request('conversation:list', {}));
  client.interrupt();
  expect(await cut).toMatchObject({ code: 'DISCONNECTED' });
  expect(await caught(client.request('conversation:list', {}))).toMatchObject({ code: 'DISCONNECTED' });
  await world.clock.pass(5_000);
  const late = caught(client.request('conversation:list', {}));
  await world.clock.pass(15_000);
  expect(await late).toMatchObject({ code: 'TIMEOUT' });
  const left = caught(client.request('conversation:list', {}));
  client.close();
  expect(await left).toMatchObject({ code: 'CLOSED' });
});

test('timeout and signal of the caller', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const late = caught(client.request('message:send', text('a'), { timeoutMs: 50 }));
  const stop = new AbortController();
  const stopped = caught(client.request('message:send', text('b', 'c2'), { signal: stop.signal }));
  stop.abort(new Error('enough'));
  expect((await stopped)?.message).toBe('enough');
  await world.clock.pass(50);
  expect(await late).toMatchObject({ code: 'TIMEOUT' });
  expect(client.outbox).toEqual([]);
  link.reply('message:send', stored);
  expect((await caught(client.request('message:send', text('c'), { signal: stop.signal })))?.message).toBe('enough');
});

test('a message waits for its answer across connections, with the same client id', async () => {
  const world = new World();
  const client = world.client();
  const sent = client.request('message:send', text('hello'));
  expect(client.outbox).toMatchObject([{ event: 'message:send', data: { text: 'hello' } }]);
  client.connect();
  await world.clock.pass(0);
  const [first] = world.link.asked('message:send');
  client.interrupt();
  await world.clock.pass(5_000);
  const [second] = world.link.asked('message:send');
  expect(second?.data).toEqual(first?.data);
  expect(first?.data.client_id).toMatch(/^[0-9a-f]{32}$/);
  expect(client.outbox[0]?.clientId).toBe(first?.data.client_id);
  world.link.reply('message:send', { ...stored, duplicate: true });
  expect(await sent).toEqual({ ...stored, duplicate: true });
  expect(client.outbox).toEqual([]);
});

test('messages of a conversation go one after another, of several side by side', async () => {
  const { client, link } = await new World().connected();
  void client.request('message:send', text('1'));
  void client.request('message:send', text('2'));
  void client.request('message:send', text('1', 'c2'));
  const said = () => link.asked('message:send').map(({ data }) => `${data.conversation_id} ${data.text}`);
  expect(said()).toEqual(['c1 1', 'c2 1']);
  link.say({ event: 'reply', re: link.asked('message:send')[0]?.id, data: stored });
  expect(said()).toEqual(['c1 1', 'c2 1', 'c1 2']);
});

test('where waiting helps, a durable request waits, and nothing overtakes it', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const first = client.request('message:send', text('1'));
  const second = client.request('message:send', text('2'));
  for (const code of ['UNAVAILABLE', 'RATE_LIMIT_EXCEEDED', 'INTERNAL_ERROR']) {
    link.refuse('message:send', code, 3_000);
    await world.clock.pass(2_999);
    expect(link.asked('message:send').at(-1)?.data.text).toBe('1');
    await world.clock.pass(10_000);
  }
  expect(link.asked('message:send').length).toBe(4);
  link.reply('message:send', stored);
  await first;
  link.refuse('message:send', 'ROOM_NOT_FOUND');
  expect(await caught(second)).toMatchObject({ code: 'ROOM_NOT_FOUND' });
});

test('no more under way than the server reads', async () => {
  const { client, link } = await new World().connected();
  const all = Array.from({ length: 40 }, () => client.request('conversation:list', {}));
  expect(link.asked('conversation:list').length).toBe(16);
  for (let i = 0; i < 40; i += 1) {
    link.say({ event: 'reply', re: link.asked('conversation:list')[i]?.id, data: { conversations: [] } });
  }
  await Promise.all(all);
});

test('an alarm waits for no other request, and for the alarm before it', async () => {
  const { client, link } = await new World().connected();
  for (let i = 0; i < 40; i += 1) void client.request('conversation:list', {}).catch(() => {});
  void client.request('system:broadcast', { message: 'lunch' }).catch(() => {});
  expect(link.asked('system:broadcast')).toEqual([]);
  const first = client.request('system:broadcast', { message: 'fire', priority: 'urgent' });
  const second = client.request('system:broadcast', { message: 'out', priority: 'urgent' });
  const told = () => link.asked('system:broadcast').map((request) => request.data.message);
  expect(told()).toEqual(['fire']);
  link.reply('system:broadcast', stored);
  await first;
  expect(told()).toEqual(['fire', 'out']);
  link.reply('system:broadcast', stored);
  await second;
  client.close();
});

test('the outbox is bounded, and so is what waits beside it', async () => {
  const world = new World();
  const client = world.client({ outboxLimit: 3 });
  for (let i = 0; i < 3; i += 1) void client.request('message:send', text(`${i}`)).catch(() => {});
  expect(await caught(client.request('message:send', text('4')))).toMatchObject({ code: 'OUTBOX_FULL' });
  world.behaviour.webtransport = 'hang';
  client.connect();
  const many = Array.from({ length: 300 }, () => caught(client.request('conversation:list', {})));
  expect((await many.at(-1))?.code).toBe('OUTBOX_FULL');
  client.close();
  expect((await many[0])?.code).toBe('CLOSED');
});

test('closing rejects, and keeps what the outbox holds for the next connect', async () => {
  const world = new World();
  const { client } = await world.connected();
  const sent = caught(client.request('message:send', text('later')));
  client.close();
  expect(await sent).toMatchObject({ code: 'CLOSED' });
  expect(client.outbox.length).toBe(1);
  client.connect();
  await world.clock.pass(0);
  expect(world.link.asked('message:send').map(({ data }) => data.text)).toEqual(['later']);
});

test('whoever is told that the client has ended can tell what waits from what has failed', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const notice = { message: 'Leave', priority: 'urgent' } as const;
  const alarm = caught(client.request('system:broadcast', { ...notice, client_id: 'mine' }));
  const group = caught(client.request('conversation:create', { kind: 'group', members: ['bob'] }));
  const list = caught(client.request('conversation:list', {}));
  link.end(4200, 'token revoked');
  const made = client.outbox.find(({ event }) => event === 'conversation:create')?.clientId;
  expect(await alarm).toMatchObject({ name: 'FanfareError', code: 'CLOSED', message: 'token revoked', waits: 'mine' });
  expect(await group).toMatchObject({ code: 'CLOSED', waits: made });
  expect((await list)?.waits).toBeUndefined();

  // With the same id it is the same request, whose answer is told.
  const again = client.request('system:broadcast', { ...notice, client_id: 'mine' });
  client.connect();
  await world.clock.pass(0);
  expect(world.link.asked('system:broadcast').map(({ data }) => data.client_id)).toEqual(['mine']);
  world.link.reply('system:broadcast', stored);
  expect(await again).toEqual(stored);

  // The server's own refusal of the token keeps its code; what another user has asked is not sent by this one.
  client.close();
  const mine = caught(client.request('message:send', { ...text('x'), client_id: 'left' }));
  world.greeting = { user_id: 'mallory' };
  client.connect();
  await world.clock.pass(10_000);
  expect(client.state).toMatchObject({ name: 'open', userId: 'mallory' });
  expect(await mine).toMatchObject({ code: 'CLOSED' });
  expect((await mine)?.waits).toBeUndefined();
  client.close();
});

test('a token that is refused keeps the outbox, and its own code', async () => {
  const world = new World();
  world.greets = false;
  const { client, link } = await world.connected();
  const sent = caught(client.request('message:send', { ...text('x'), client_id: 'k' }));
  link.refuse('authenticate', 'AUTH_FAILED');
  await settle();
  expect(await sent).toMatchObject({ code: 'AUTH_FAILED', waits: 'k' });
  expect(client.outbox).toHaveLength(1);
});

test('a reload sends what waited, ahead of what is new; asking again joins it', async () => {
  const store = memoryStore();
  const before = new World();
  const { client: old } = await before.connected({ store });
  old.interrupt();
  void old.request('message:send', text('old')).catch(() => {});
  await settle();

  const world = new World();
  const client = world.client({ store });
  void client.request('message:send', text('new'));
  client.connect();
  await world.clock.pass(0);
  expect(client.outbox.map(({ data }) => 'text' in data && data.text)).toEqual(['old', 'new']);
  const joined = client.request('message:send', { ...text('old'), client_id: client.outbox[0]?.clientId as string });
  expect(client.outbox.length).toBe(2);
  expect(world.link.asked('authenticate')[0]?.data.device_id).toBe(before.link.asked('authenticate')[0]?.data.device_id);
  world.link.reply('message:send', stored);
  expect(await joined).toEqual(stored);
  expect(world.link.asked('message:send').map(({ data }) => data.text)).toEqual(['old', 'new']);
});

test('a change of transport loses no request', async () => {
  const world = new World();
  const { client } = await world.connected();
  const list = client.request('conversation:list', {});
  const sent = client.request('message:send', text('x'));
  client.useTransport('websocket');
  await world.clock.pass(0);
  world.link.reply('conversation:list', { conversations: [] });
  world.link.reply('message:send', stored);
  await Promise.all([list, sent]);
});

test('nonsense from the server disturbs nobody', async () => {
  const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
  const { client, link } = await new World().connected();
  const list = client.request('conversation:list', {});
  for (const nonsense of ['', '7', 'null', '[]', '{}', '{"event":7}', '{"event":"reply","re":99}', '{"event":"topics"}', '\u0000']) {
    link.listener.event(nonsense, 'ordered');
  }
  link.say({ event: 'server:ping', data: { time: 1, pos: [{ topic: 7 }] } });
  link.say({ event: 'location:snapshot', data: null });
  link.say({ event: 'state', data: {} });
  link.listener.packet(new Uint8Array([9, 9]));
  link.reply('conversation:list', { conversations: [] });
  await list;
  expect(client.state.name).toBe('open');
  // Seen by the developer.
  expect(reported).toHaveBeenCalled();
  reported.mockRestore();
});
