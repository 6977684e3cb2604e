// The chat's state: list, history, receipts, what is on its way.
import { expect, test } from 'vitest';
import { Chat } from '../src/chat/index.ts';
import { memoryStore } from '../src/index.ts';
import { message, settle, topics, World, type FakeLink } from './fake.ts';

const summary = (conversation_id = 'c1', more: object = {}) => ({
  conversation_id,
  kind: 'private',
  member_count: 2,
  members: ['alice', 'bob'],
  epoch: 1,
  head: 0,
  read: 0,
  unread: 0,
  ...more,
});

async function chatting(list: object[] = [summary()], options = {}) {
  const world = new World();
  const { client, link } = await world.connected(options);
  const chat = new Chat(client);
  link.reply('conversation:list', { conversations: list });
  await settle();
  return { world, client, link, chat };
}

function history(link: FakeLink, events: object[], more: object = {}) {
  const head = Math.max(0, ...events.map((event) => (event as { seq: number }).seq));
  link.reply('message:history', { events, more: false, head, marks: [], ...more });
}

const shown = (chat: Chat, id = 'c1') => chat.messages(id).items.map(({ text, status }) => `${text}: ${status}`);

test('the list comes page by page, and is ready with the last', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const chat = new Chat(client);
  let told = 0;
  chat.subscribe(() => (told += 1));
  link.reply('conversation:list', { conversations: [summary('c1', { unread: 2, head: 9 })], next: 'c1' });
  await settle();
  expect(chat.snapshot).toMatchObject({ ready: false, totalUnread: 2 });
  expect(link.asked('conversation:list').at(-1)?.data).toEqual({ limit: 20, after: 'c1' });
  link.reply('conversation:list', { conversations: [summary('c2', { title: 'Night' })] });
  await settle();
  expect(chat.snapshot).toMatchObject({ ready: true, conversations: [{ id: 'c1' }, { id: 'c2', title: 'Night' }] });
  expect(told).toBeGreaterThan(0);
  expect(chat.snapshot).toBe(chat.snapshot);
});

test('a list that is refused for now, or cut off, comes later', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const chat = new Chat(client);
  client.interrupt();
  await world.clock.pass(5_000);
  expect(world.link).not.toBe(link);
  world.link.reply('conversation:list', { conversations: [summary()] });
  await settle();
  expect(chat.snapshot.ready).toBe(true);
});

test('messages count as unread until they are read; objects that did not change are the same', async () => {
  const { link, chat } = await chatting([summary(), summary('c2')]);
  const [, other] = chat.snapshot.conversations;
  link.say(message(1));
  link.say(message(2));
  await settle();
  expect(chat.snapshot).toMatchObject({ totalUnread: 2, conversations: [{ id: 'c1', unread: 2, last: { text: 'text 2' } }, {}] });
  expect(chat.snapshot.conversations[1]).toBe(other);
  expect(link.asked('message:received').map(({ data }) => data.seq)).toEqual([1]);
  link.reply('message:received', {});
  await settle();
  expect(link.asked('message:received').map(({ data }) => data.seq)).toEqual([1, 2]);
  chat.read('c1');
  expect(chat.snapshot.totalUnread).toBe(0);
  expect(link.asked('message:read').map(({ data }) => data)).toEqual([{ conversation_id: 'c1', seq: 2 }]);
  chat.read('c1');
  expect(link.asked('message:read').length).toBe(1);
  link.say(message(3, { by: 'alice' }));
  expect(chat.snapshot.totalUnread).toBe(0);
});

test('reading on another device counts here', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  history(link, []);
  await settle();
  for (let seq = 1; seq <= 3; seq += 1) link.say(message(seq));
  link.say({ event: 'message:read', data: { conversation_id: 'c1', user_id: 'alice', seq: 2 } });
  expect(chat.snapshot.totalUnread).toBe(1);
});

test('a marker that could not be told is told by the next connection', async () => {
  const { world, client, link, chat } = await chatting();
  link.say(message(1));
  chat.read('c1');
  client.interrupt();
  await world.clock.pass(5_000);
  expect(world.link.asked('message:read').map(({ data }) => data.seq)).toEqual([1]);
  expect(world.link.asked('message:received').map(({ data }) => data.seq)).toEqual([1]);
});

test('history joins what came live, older pages go in front', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  expect(chat.messages('c1')).toMatchObject({ loading: true, items: [] });
  link.say(message(12));
  history(link, [message(10), message(11)], { more: true });
  await settle();
  link.say(message(13));
  expect(shown(chat)).toEqual(['text 10: sent', 'text 11: sent', 'text 12: sent', 'text 13: sent']);
  const before = chat.messages('c1');
  expect(chat.messages('c1')).toBe(before);
  const older = chat.older('c1');
  expect(chat.older('c1')).toBeInstanceOf(Promise);
  expect(link.asked('message:history').at(-1)?.data).toEqual({ conversation_id: 'c1', limit: 50, before: 10 });
  history(link, [message(9, { event: 'conversation:created', data: summary() })], { more: false });
  await older;
  expect(chat.messages('c1')).toMatchObject({ more: false, loading: false });
  expect(chat.messages('c1').items[0]).toBe(before.items[0]);
});

test('own messages: shown at once, sent, delivered, read', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  history(link, []);
  await settle();
  const sent = chat.send('c1', 'hello');
  expect(shown(chat)).toEqual(['hello: sending']);
  const key = chat.messages('c1').items[0]?.key;
  const [said] = link.asked('message:send');
  link.say(message(1, { by: 'alice', client_id: said?.data.client_id, data: { conversation_id: 'c1', text: 'hello' } }));
  link.reply('message:send', { topic: 'conversation:c1', epoch: 1, seq: 1, at: 5 });
  await sent;
  expect(shown(chat)).toEqual(['hello: sent']);
  expect(chat.messages('c1').items[0]?.key).toBe(key);
  link.say({ event: 'message:delivered', data: { conversation_id: 'c1', user_id: 'bob', seq: 1 } });
  expect(shown(chat)).toEqual(['hello: delivered']);
  link.say({ event: 'message:read', data: { conversation_id: 'c1', user_id: 'bob', seq: 1 } });
  link.say({ event: 'message:delivered', data: { conversation_id: 'c1', user_id: 'bob', seq: 1 } });
  expect(shown(chat)).toEqual(['hello: read']);
  expect(chat.snapshot.totalUnread).toBe(0);
});

test('in a group, read is what everybody has read', async () => {
  const { link, chat } = await chatting([summary('c1', { kind: 'group', member_count: 3, members: ['alice', 'bob', 'carol'] })]);
  chat.open('c1');
  history(link, [message(1, { by: 'alice' })], { marks: [{ user_id: 'bob', delivered: 1, read: 1 }] });
  await settle();
  expect(shown(chat)).toEqual(['text 1: sent']);
  link.say({ event: 'message:delivered', data: { conversation_id: 'c1', user_id: 'carol', seq: 1 } });
  expect(shown(chat)).toEqual(['text 1: delivered']);
  link.say({ event: 'message:read', data: { conversation_id: 'c1', user_id: 'carol', seq: 1 } });
  expect(shown(chat)).toEqual(['text 1: read']);
});

test('what is refused is shown as failed, and can be sent again or thrown away', async () => {
  const { link, chat } = await chatting();
  const failed = chat.send('c1', 'no').catch((error: { code: string }) => error.code);
  link.refuse('message:send', 'UNAUTHORIZED');
  expect(await failed).toBe('UNAUTHORIZED');
  expect(shown(chat)).toEqual(['no: failed']);
  expect(chat.messages('c1').items[0]?.error?.code).toBe('UNAUTHORIZED');
  void chat.retry('c1', chat.messages('c1').items[0]?.key as string);
  expect(shown(chat)).toEqual(['no: sending']);
  link.refuse('message:send', 'UNAUTHORIZED');
  await settle();
  chat.discard('c1', chat.messages('c1').items[0]?.key as string);
  expect(shown(chat)).toEqual([]);
});

test('a cut connection keeps a message sending, a reload too', async () => {
  const store = memoryStore();
  const { world, client, chat } = await chatting([summary()], { store });
  client.interrupt();
  void chat.send('c1', 'in the tunnel');
  expect(shown(chat)).toEqual(['in the tunnel: sending']);
  await settle();
  expect(world.links.length).toBe(1);

  const next = await chatting([summary()], { store });
  expect(shown(next.chat)).toEqual(['in the tunnel: sending']);
  next.link.reply('message:send', { topic: 'conversation:c1', epoch: 1, seq: 4, at: 5 });
  await settle();
  next.chat.open('c1');
  history(next.link, [message(4, { by: 'alice', data: { conversation_id: 'c1', text: 'in the tunnel' } })]);
  await settle();
  expect(shown(next.chat)).toEqual(['in the tunnel: sent']);
});

test('a gap reloads what is shown, and drops what is not', async () => {
  const { link, chat } = await chatting([summary(), summary('c2')]);
  chat.open('c1');
  history(link, [message(1), message(2)]);
  await settle();
  link.say(topics({ seq: 950, head: 1000, recovered: false }));
  expect(chat.messages('c1')).toMatchObject({ gap: true, loading: true });
  link.say(message(1001));
  history(link, [message(999), message(1000)], { more: true });
  await settle();
  expect(shown(chat)).toEqual(['text 999: sent', 'text 1000: sent', 'text 1001: sent']);
  expect(chat.messages('c1')).toMatchObject({ gap: false, more: true });
  chat.leave('c1');
  link.say(topics({ seq: 2000, head: 2000, recovered: false }));
  expect(chat.messages('c1').items).toEqual([]);
});

test('a conversation that was created meanwhile appears, and an open one waits for the list', async () => {
  const { link, chat } = await chatting([]);
  chat.open('c9');
  link.say({ ...message(1, { topic: 'conversation:c9' }), event: 'conversation:created', data: { ...summary('c9') } });
  expect(chat.snapshot.conversations.map(({ id }) => id)).toEqual(['c9']);
  expect(link.asked('message:history').length).toBe(1);
  link.say(message(1, { data: { conversation_id: 'c7', text: 'from one that is not listed' } }));
  expect(link.asked('conversation:list').length).toBe(2);
});

test('memory is bounded: 500 while it is open, 50 when it is left', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  history(link, []);
  await settle();
  for (let seq = 1; seq <= 700; seq += 1) link.say(message(seq));
  expect(chat.messages('c1').items.length).toBe(500);
  expect(chat.messages('c1')).toMatchObject({ more: true });
  chat.leave('c1');
  expect(chat.messages('c1').items.length).toBe(50);
  link.say(message(701));
  expect(chat.messages('c1').items.length).toBe(50);
  expect(chat.messages('c1').items.at(-1)?.text).toBe('text 701');
});

test('another user sees nothing of the one before; a closed chat hears nothing', async () => {
  const { world, client, link, chat } = await chatting();
  link.say(message(1));
  world.greeting = { user_id: 'mallory' };
  client.interrupt();
  await world.clock.pass(10_000);
  expect(client.state).toMatchObject({ userId: 'mallory' });
  expect(chat.snapshot).toMatchObject({ conversations: [], ready: false, totalUnread: 0 });
  chat.close();
  world.link.reply('conversation:list', { conversations: [summary()] });
  world.link.say(message(5));
  expect(chat.typing('c1')).toEqual([]);
});
