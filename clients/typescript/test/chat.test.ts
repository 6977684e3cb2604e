// The chat's state: list, history, receipts, what is on its way.
import { afterEach, expect, test, vi } from 'vitest';
import { Chat } from '../src/chat/index.ts';
import { memoryStore, type FanfareError } from '../src/index.ts';
import { chatting, history, shown, summary } from './chatting.ts';
import { message, settle, topics, World } from './fake.ts';

afterEach(() => vi.useRealTimers());

test('the list comes page by page, and is ready with the last', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const chat = new Chat(client);
  let told = 0;
  chat.subscribe(() => (told += 1));
  link.reply('conversation:list', { conversations: [summary('c1', { unread: 2, head: 9 })], next: 'c1' });
  await settle();
  expect(chat.snapshot).toMatchObject({ ready: false, totalUnread: 2 });
  expect(link.asked('conversation:list').at(-1)?.data).toEqual({ limit: 100, after: 'c1' });
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
  // Only `topics` tells that the log is still the one that they count in.
  expect([...world.link.asked('message:read'), ...world.link.asked('message:received')]).toEqual([]);
  world.link.say(topics({ seq: 1, recovered: true }));
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

test('a message of a client that has ended waits, and says so', async () => {
  const { world, client, chat } = await chatting();
  const sent = chat.send('c1', 'later').catch((error: FanfareError) => error);
  client.close();
  const key = chat.messages('c1').items[0]?.key;
  expect(await sent).toMatchObject({ code: 'CLOSED', waits: key });
  expect(shown(chat)).toEqual(['later: sending']);
  client.connect();
  await world.clock.pass(0);
  expect(world.link.asked('message:send').map(({ data }) => data.client_id)).toEqual([key]);
  world.link.say(message(4, { by: 'alice', client_id: key, data: { conversation_id: 'c1', text: 'later' } }));
  expect(chat.snapshot.conversations[0]?.last?.status).toBe('sent');
  expect(shown(chat)).toEqual([]);
});

test('a conversation that waits is asked for again by the same name', async () => {
  const { world, client, chat } = await chatting();
  const group = { kind: 'group' as const, members: ['bob'], client_id: 'g' };
  expect(await Promise.all([chat.create(group).catch((error: FanfareError) => error), client.close()])).toMatchObject([{ code: 'CLOSED', waits: 'g' }, undefined]);
  const again = chat.create(group);
  client.connect();
  await world.clock.pass(0);
  expect(world.link.asked('conversation:create').map(({ data }) => data.client_id)).toEqual(['g']);
  world.link.reply('conversation:create', { conversation_id: 'c7' });
  expect(await again).toBe('c7');
});

test('what is trimmed waits for a page that goes on from there', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  const log = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));
  history(link, log(1_001, 1_500), { more: true });
  await settle();
  const older = chat.older('c1');
  link.say(message(1_501));
  link.say(message(1_502));
  history(link, log(951, 1_000), { more: true, head: 1_500 });
  await older;
  const seqs = chat.messages('c1').items.map(({ seq }) => seq as number);
  expect(seqs.every((seq, i) => i === 0 || seq === (seqs[i - 1] as number) + 1)).toBe(true);
  expect([seqs[0], seqs.at(-1), seqs.length]).toEqual([953, 1_502, 550]);
  // Left meanwhile: nothing is kept beyond what one that is left may keep.
  const more = chat.older('c1');
  chat.leave('c1');
  history(link, log(903, 952), { more: true, head: 1_502 });
  await more;
  expect(chat.messages('c1').items.map(({ seq }) => seq)).toEqual(log(1_453, 1_502).map(({ seq }) => seq));
});

test('reads that are not answered, or fail, are tried again, more and more rarely; why is told', async () => {
  const { world, link, chat } = await chatting();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const asked = () => link.asked('message:history').length;
  chat.open('c1');
  await world.clock.pass(15_000);
  link.say({ event: 'server:ping', data: { time: 1 } });
  expect(chat.messages('c1')).toMatchObject({ loading: false, items: [], error: { code: 'TIMEOUT' } });
  expect(asked()).toBe(1);
  for (const [attempt, window] of [1_000, 2_000, 4_000].entries()) {
    vi.advanceTimersByTime(window / 2 - 1);
    expect(asked()).toBe(attempt + 1);
    vi.advanceTimersByTime(window / 2 + 1);
    expect(asked()).toBe(attempt + 2);
    expect(chat.messages('c1').loading).toBe(true);
    link.refuse('message:history', 'INTERNAL_ERROR');
    await settle();
    expect(chat.messages('c1').error?.code).toBe('INTERNAL_ERROR');
  }
  vi.advanceTimersByTime(8_000);
  history(link, [message(1)]);
  await settle();
  expect(shown(chat)).toEqual(['text 1: sent']);
  expect(chat.messages('c1').error).toBeUndefined();
  expect(vi.getTimerCount()).toBe(0);
  // An older page that is not to be had: scrolling asks again.
  link.say(topics({ seq: 950, head: 1000, recovered: false }));
  history(link, [message(1_000)], { more: true });
  await settle();
  const older = chat.older('c1');
  link.refuse('message:history', 'INTERNAL_ERROR');
  await older;
  expect(chat.messages('c1')).toMatchObject({ error: { code: 'INTERNAL_ERROR' }, loading: false, more: true });
  expect(shown(chat)).toEqual(['text 1000: sent']);
  expect(vi.getTimerCount()).toBe(0);
});

test('the list is tried again until it is complete; a refusal for good is not', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const world = new World();
  const { client, link } = await world.connected();
  const chat = new Chat(client);
  link.reply('conversation:list', { conversations: [summary('c1')], next: 'c1' });
  await world.clock.pass(15_000);
  expect([chat.snapshot.ready, link.asked('conversation:list').length]).toEqual([false, 2]);
  vi.advanceTimersByTime(1_000);
  link.reply('conversation:list', { conversations: [summary('c1'), summary('c2')] });
  await settle();
  expect(chat.snapshot).toMatchObject({ ready: true, conversations: [{ id: 'c1' }, { id: 'c2' }] });

  chat.open('c1');
  link.refuse('message:history', 'UNAUTHORIZED');
  await settle();
  expect(chat.messages('c1')).toMatchObject({ loading: false, error: { code: 'UNAUTHORIZED' } });
  chat.open('c2');
  link.refuse('message:history', 'UNAVAILABLE', 3_000);
  await settle();
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(3_000);
  expect(link.asked('message:history').length).toBe(2);
  vi.advanceTimersByTime(1_000);
  expect(link.asked('message:history').length).toBe(3);
  // Whoever has left does not ask again, and nothing outlives the chat.
  link.refuse('message:history', 'UNAVAILABLE', 3_000);
  await settle();
  chat.leave('c2');
  vi.advanceTimersByTime(60_000);
  expect(link.asked('message:history').length).toBe(3);
  chat.open('c2');
  link.refuse('message:history', 'UNAVAILABLE', 3_000);
  await settle();
  chat.close();
  expect(vi.getTimerCount()).toBe(0);
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

test('without the right to converse nothing is shown, and with it all of it again', async () => {
  const { link, chat } = await chatting([summary('c1', { unread: 1, head: 2 }), summary('c2')]);
  chat.open('c1');
  history(link, [message(2, { data: { conversation_id: 'c1', text: 'before' } })]);
  await settle();
  expect(shown(chat)).toEqual(['before: sent']);
  const error = { code: 'UNAUTHORIZED', message: 'your rights no longer allow it' };
  link.say({ event: 'topics:ended', data: { kinds: ['notice'], error } });
  expect(chat.snapshot.conversations).toHaveLength(2);
  link.say({ event: 'topics:ended', data: { kinds: ['conversation'], error } });
  expect(chat.snapshot).toMatchObject({ conversations: [], totalUnread: 0 });
  expect(shown(chat)).toEqual([]);
  link.say(topics({ seq: 3, head: 3 }));
  link.reply('conversation:list', { conversations: [summary('c1', { unread: 2, head: 3 })] });
  await settle();
  history(link, [message(2, { data: { conversation_id: 'c1', text: 'before' } }), message(3, { data: { conversation_id: 'c1', text: 'meanwhile' } })]);
  await settle();
  expect(chat.snapshot).toMatchObject({ ready: true, conversations: [{ id: 'c1', unread: 2 }] });
  expect(shown(chat)).toEqual(['before: sent', 'meanwhile: sent']);
});

test('a list that the rights did not allow comes with other rights', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  const chat = new Chat(client);
  link.refuse('conversation:list', 'UNAUTHORIZED');
  await settle();
  link.say(topics({ seq: 3, head: 3 }));
  link.reply('conversation:list', { conversations: [summary('c1', { unread: 2, head: 3 })] });
  await settle();
  expect(chat.snapshot).toMatchObject({ ready: true, totalUnread: 2 });
});
