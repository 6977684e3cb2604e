// What the server cannot read any more, marks that it does not take just now, and another organisation.
import { afterEach, expect, test, vi } from 'vitest';
import { chatting, history, shown, summary } from './chatting.ts';
import { message, settle, topics } from './fake.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const unreadable = (seq: number, more: object = {}) =>
  ({ ...message(seq), event: 'event:unreadable', by: '~unknown', client_id: `~unknown-${seq}`, data: {}, ...more });
const range = (first: number, last: number, make: (seq: number) => object) => Array.from({ length: last - first + 1 }, (_, i) => make(first + i));

test('pages of nothing but what cannot be read are gone over, and their places are shown', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  history(link, range(101, 150, unreadable), { more: true });
  await settle();
  expect(chat.messages('c1')).toMatchObject({ more: true, loading: false });
  expect(chat.messages('c1').items).toHaveLength(50);
  expect(chat.messages('c1').items[0]).toMatchObject({ key: 'unreadable/101', seq: 101, unreadable: true, mine: false, text: '', status: 'sent' });
  // None of them is the line that the list shows.
  expect(chat.snapshot.conversations[0]).toMatchObject({ lastAt: 150 });
  expect(chat.snapshot.conversations[0]?.last).toBeUndefined();

  const asked = async (page: object[], more: boolean) => {
    const older = chat.older('c1');
    const { before } = link.asked('message:history').at(-1)?.data as { before: number };
    history(link, page, { more, head: 150 });
    await older;
    return before;
  };
  expect(await asked(range(51, 100, unreadable), true)).toBe(101);
  expect(await asked([...range(1, 49, unreadable), message(50)], true)).toBe(51);
  const events = link.asked('message:history').length;
  expect(await asked([message(0, { event: 'conversation:created', data: summary() })], false)).toBe(1);
  expect(chat.messages('c1')).toMatchObject({ more: false });
  expect(chat.messages('c1').items).toHaveLength(150);
  expect(chat.messages('c1').items.find(({ text }) => text)?.seq).toBe(50);
  await chat.older('c1');
  expect(link.asked('message:history')).toHaveLength(events + 1);
});

test('a page that says there are more and brings none is the last', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  history(link, [message(9)], { more: true });
  await settle();
  const older = chat.older('c1');
  history(link, [], { more: true });
  await older;
  expect(chat.messages('c1').more).toBe(false);
});

test('the page goes on before an event that is no message, and after what was let go', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  history(link, [message(20, { event: 'conversation:created', data: summary() }), message(21)], { more: true });
  await settle();
  void chat.older('c1');
  expect(link.asked('message:history').at(-1)?.data).toMatchObject({ before: 20 });
  history(link, [message(19)], { more: true });
  await settle();
  for (let seq = 22; seq <= 560; seq += 1) link.say(message(seq));
  chat.leave('c1');
  await settle();
  chat.open('c1');
  void chat.older('c1');
  expect(link.asked('message:history').at(-1)?.data).toMatchObject({ before: 511 });
});

test('live, or missed, it keeps its place, counts as the server counts, and can be read past', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  history(link, [message(1)]);
  await settle();
  link.say(message(2));
  link.say(unreadable(3));
  link.say(unreadable(4, { topic: 'conversation:other' }));
  link.say(unreadable(5, { topic: 'notice:all' }));
  expect(shown(chat)).toEqual(['text 1: sent', 'text 2: sent', ': sent']);
  expect(chat.snapshot).toMatchObject({ totalUnread: 2, conversations: [{ last: { seq: 2 } }] });
  chat.read('c1');
  expect(link.asked('message:read').map(({ data }) => data.seq)).toEqual([3]);
  expect(chat.snapshot.totalUnread).toBe(0);
});

test.each([
  ['RATE_LIMIT_EXCEEDED', 7_000],
  ['UNAVAILABLE', undefined],
])('a mark that is refused for now (%s) goes when waiting has helped, on the same connection', async (code, after) => {
  const { world, link, chat } = await chatting();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  vi.spyOn(Math, 'random').mockReturnValue(1);
  link.say(message(1));
  chat.read('c1');
  const told = () => link.asked('message:read').map(({ data }) => data.seq);
  link.refuse('message:read', code, after);
  await settle();
  chat.read('c1');
  expect(told()).toEqual([1]);
  await vi.advanceTimersByTimeAsync((after ?? 0) + 999);
  // What is read meanwhile waits, too, and is told in its place.
  link.say(message(2));
  chat.read('c1');
  expect(told()).toEqual([1]);
  await vi.advanceTimersByTimeAsync(1);
  expect(told()).toEqual([1, 2]);
  // More and more rarely, and not once it is taken.
  link.refuse('message:read', code);
  await settle();
  await vi.advanceTimersByTimeAsync(1_999);
  expect(told()).toEqual([1, 2]);
  await vi.advanceTimersByTimeAsync(1);
  expect(told()).toEqual([1, 2, 2]);
  link.reply('message:read', {});
  await settle();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(told()).toEqual([1, 2, 2]);
  expect(world.links).toHaveLength(1);
});

test('unread messages that retention took are read with the conversation, and no refusal brings their number back', async () => {
  const { world, link, chat } = await chatting([summary('c1', { head: 3, unread: 3 })]);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  chat.open('c1');
  history(link, [], { head: 3 });
  await settle();
  expect(chat.messages('c1')).toMatchObject({ items: [], more: false, loading: false });
  expect(chat.snapshot.totalUnread).toBe(3);
  chat.read('c1');
  expect(chat.snapshot.totalUnread).toBe(0);
  expect(link.asked('message:read').map(({ data }) => data.seq)).toEqual([3]);
  // An older server knows no such place any more: it is not asked again, by itself or by reading.
  link.refuse('message:read', 'INVALID_MESSAGE');
  await settle();
  chat.read('c1');
  await vi.advanceTimersByTimeAsync(600_000);
  link.say(topics({ seq: 3, head: 3, recovered: true }));
  await settle();
  expect(link.asked('message:read')).toHaveLength(1);
  expect(chat.snapshot.totalUnread).toBe(0);
  expect(world.links).toHaveLength(1);
});

test('what waits for a refusal to pass goes at once with the next connection, and never after close', async () => {
  const { world, client, link, chat } = await chatting();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  link.say(message(1));
  chat.read('c1');
  link.refuse('message:read', 'UNAVAILABLE', 60_000);
  await settle();
  client.interrupt();
  await world.clock.pass(5_000);
  world.link.say(topics({ seq: 1, recovered: true }));
  expect(world.link.asked('message:read').map(({ data }) => data.seq)).toEqual([1]);
  world.link.refuse('message:read', 'UNAVAILABLE', 60_000);
  await settle();
  chat.close();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(world.link.asked('message:read')).toHaveLength(1);
});

test('one name in another organisation is somebody else', async () => {
  const { world, client, link, chat } = await chatting();
  link.say(message(1));
  expect(chat.snapshot.conversations).toHaveLength(1);
  world.greeting = { organization_id: 'umbrella' };
  client.interrupt();
  await world.clock.pass(10_000);
  expect(client.state).toMatchObject({ name: 'open', userId: 'alice', organizationId: 'umbrella' });
  expect(chat.snapshot).toMatchObject({ conversations: [], ready: false, totalUnread: 0 });
  world.link.reply('conversation:list', { conversations: [summary('c9')] });
  await settle();
  expect(chat.snapshot.conversations.map(({ id }) => id)).toEqual(['c9']);
});
