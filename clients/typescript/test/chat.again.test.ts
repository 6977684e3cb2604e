// What a chat reads anew after a reconnect, and in which order its conversations stand.
import { expect, test } from 'vitest';
import { Chat } from '../src/chat/index.ts';
import { chatting, history, shown, summary } from './chatting.ts';
import { message, settle, topics, World } from './fake.ts';

const rows = (...list: object[]) => ({
  event: 'topics',
  data: { more: false, topics: list.map((row) => ({ topic: 'conversation:c1', epoch: 1, seq: 0, head: 0, unread: 0, ...row })) },
});

async function reconnect(world: World): Promise<void> {
  world.link.end();
  await world.clock.pass(5_000);
  await settle();
}

test('what was read on another device while this one was away is no longer unread', async () => {
  const { world, chat } = await chatting([summary('c1', { head: 4, unread: 4 })]);
  world.link.say(topics({ seq: 4, head: 4 }));
  expect(chat.snapshot.totalUnread).toBe(0);
  const again = await chatting([summary('c1', { head: 4, unread: 4 })]);
  expect(again.chat.snapshot.totalUnread).toBe(4);
  await reconnect(again.world);
  again.world.link.say(rows({ seq: 4, head: 4, unread: 0, recovered: true }));
  expect(again.chat.snapshot.totalUnread).toBe(0);
});

test('events that are still to come are in the server\'s number, and count once', async () => {
  const { world, chat } = await chatting([summary('c1', { head: 4, unread: 4 })]);
  await reconnect(world);
  // Four were read elsewhere, two are new.
  world.link.say(rows({ seq: 4, head: 6, unread: 2, recovered: true }));
  expect(chat.snapshot.totalUnread).toBe(2);
  world.link.say(message(5));
  world.link.say(message(6));
  expect(chat.snapshot.totalUnread).toBe(2);
  world.link.say(message(7));
  expect(chat.snapshot.totalUnread).toBe(3);
});

test('reading between them leaves the rest unread', async () => {
  const { world, chat } = await chatting([summary('c1', { head: 4, unread: 4 })]);
  await reconnect(world);
  world.link.say(rows({ seq: 4, head: 6, unread: 6, recovered: true }));
  world.link.say(message(5));
  chat.read('c1');
  expect(chat.snapshot.totalUnread).toBe(0);
  world.link.say(message(6));
  expect(chat.snapshot.totalUnread).toBe(1);
});

test('what was read here and could not be told is not unread again', async () => {
  const { world, chat } = await chatting([summary('c1', { head: 4, unread: 4 })]);
  world.link.end();
  chat.read('c1');
  await world.clock.pass(5_000);
  world.link.say(rows({ seq: 4, head: 4, unread: 4, recovered: true }));
  expect(chat.snapshot.totalUnread).toBe(0);
  expect(world.link.asked('message:read').at(-1)?.data).toMatchObject({ seq: 4 });
});

test('"sent" becomes "read" where the other has read while there was no connection', async () => {
  const { world, link, chat } = await chatting([summary('c1', { head: 1 })]);
  chat.open('c1');
  await settle();
  history(link, [message(1, { by: 'alice' })], { marks: [{ user_id: 'bob', delivered: 0, read: 0 }] });
  await settle();
  expect(shown(chat)).toEqual(['text 1: sent']);
  await reconnect(world);
  world.link.say(rows({ seq: 1, head: 1, recovered: true }));
  await settle();
  expect(world.link.asked('message:history').map(({ data }) => data)).toEqual([{ conversation_id: 'c1', limit: 1 }]);
  history(world.link, [], { marks: [{ user_id: 'bob', delivered: 1, read: 1 }] });
  await settle();
  expect(shown(chat)).toEqual(['text 1: read']);
  // Once for each connection.
  world.link.say(rows({ seq: 1, head: 1 }));
  await settle();
  expect(world.link.asked('message:history')).toHaveLength(1);
});

test('marks of what is not shown are read anew where something waits for them, and else when it is opened', async () => {
  const { world, link, chat } = await chatting([summary('c1', { head: 1 }), summary('c2', { head: 1 })]);
  for (const [id, by] of [['c1', 'alice'], ['c2', 'bob']] as const) {
    chat.open(id);
    await settle();
    history(link, [message(1, { by, topic: `conversation:${id}`, data: { conversation_id: id, text: 'text' } })]);
    await settle();
    chat.leave(id);
  }
  await reconnect(world);
  world.link.say(rows({ seq: 1, head: 1, recovered: true }, { topic: 'conversation:c2', seq: 1, head: 1, recovered: true }));
  await settle();
  const asked = () => world.link.asked('message:history').map(({ data }) => data.conversation_id);
  expect(asked()).toEqual(['c1']);
  history(world.link, [], { marks: [{ user_id: 'bob', delivered: 1, read: 1 }] });
  await settle();
  expect(chat.snapshot.conversations.find(({ id }) => id === 'c1')?.last?.status).toBe('read');
  chat.open('c2');
  await settle();
  expect(asked()).toEqual(['c1', 'c2']);
});

test('of thirty conversations on several pages the newest stands first', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const chat = new Chat(client);
  const page = (from: number) => Array.from({ length: 10 }, (_, i) => summary(`c${10 + from + i}`, { last_at: 1_000 + from + i }));
  const first = () => chat.snapshot.conversations[0]?.id;
  link.reply('conversation:list', { conversations: page(0), next: 'c19' });
  await settle();
  expect([first(), chat.snapshot.ready]).toEqual(['c19', false]);
  link.reply('conversation:list', { conversations: page(10), next: 'c29' });
  await settle();
  link.reply('conversation:list', { conversations: page(20) });
  await settle();
  expect([first(), chat.snapshot.conversations.length, chat.snapshot.ready]).toEqual(['c39', 30, true]);
  link.say(message(1, { topic: 'conversation:c10', at: 2_000, data: { conversation_id: 'c10', text: 'x' } }));
  expect(first()).toBe('c10');
  chat.send('c11', 'on its way').catch(() => {});
  expect(first()).toBe('c11');
  link.say({ event: 'conversation:created', topic: 'conversation:new', epoch: 1, seq: 1, at: world.clock.time + 5_000, by: 'bob', client_id: 'n', data: { conversation_id: 'new', kind: 'private', member_count: 2, members: ['alice', 'bob'] } });
  expect(first()).toBe('new');
});

test('a server that tells no times: what is known counts, also of a conversation that was not listed', async () => {
  const { link, chat } = await chatting([summary('c1'), summary('c2')]);
  link.say(message(1, { topic: 'conversation:c3', at: 50, data: { conversation_id: 'c3', text: 'x' } }));
  await settle();
  link.reply('conversation:list', { conversations: [summary('c1'), summary('c2'), summary('c3')] });
  await settle();
  expect(chat.snapshot.conversations.map(({ id }) => id)).toEqual(['c3', 'c1', 'c2']);
});

test('the list goes on where it was cut off, and is read once more where something came meanwhile', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const chat = new Chat(client);
  link.reply('conversation:list', { conversations: [summary('c1')], next: 'c1' });
  await settle();
  await reconnect(world);
  const asked = () => world.link.asked('conversation:list').map(({ data }) => data);
  expect(asked()).toEqual([{ limit: 100, after: 'c1' }]);
  world.link.say(message(1, { topic: 'conversation:a1', data: { conversation_id: 'a1', text: 'x' } }));
  world.link.reply('conversation:list', { conversations: [summary('c2')] });
  await settle();
  expect(asked()).toEqual([{ limit: 100, after: 'c1' }, { limit: 100 }]);
  world.link.reply('conversation:list', { conversations: [summary('a1'), summary('c1'), summary('c2')] });
  await settle();
  expect(asked()).toHaveLength(2);
  expect(chat.snapshot).toMatchObject({ ready: true });
  expect(chat.snapshot.conversations).toHaveLength(3);
});

test('a private conversation that is there already is shown once', async () => {
  const { link, chat } = await chatting([summary('c1')]);
  const created = chat.create({ kind: 'private', members: ['bob'] });
  await settle();
  link.reply('conversation:create', { conversation_id: 'c1', topic: 'conversation:c1', epoch: 1, seq: 1, at: 1, duplicate: true });
  expect(await created).toBe('c1');
  expect(chat.snapshot.conversations).toHaveLength(1);
  expect(link.asked('conversation:list')).toHaveLength(1);
  // One that this page has not listed is found.
  const other = chat.create({ kind: 'private', members: ['carol'] });
  await settle();
  link.reply('conversation:create', { conversation_id: 'c9', topic: 'conversation:c9', epoch: 1, seq: 1, at: 1, duplicate: true });
  expect(await other).toBe('c9');
  expect(link.asked('conversation:list')).toHaveLength(2);
});
