// What a chat does where the log does not go on: gaps, logs that begin anew, logs that were put back.
import { expect, test } from 'vitest';
import { chatting, history, shown, summary } from './chatting.ts';
import { message, settle, topics, type FakeLink } from './fake.ts';

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

test('a gap while an older page is on its way: the older page does not count for the newest', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  history(link, [message(10), message(11)], { more: true });
  await settle();
  const older = chat.older('c1');
  const [, before] = link.asked('message:history');
  link.say(topics({ seq: 950, head: 1000, recovered: false }));
  const [, , newest] = link.asked('message:history');
  expect([before?.data.before, newest?.data.before]).toEqual([10, undefined]);
  link.say({ event: 'reply', re: before?.id, data: { events: [message(9)], more: false, head: 1000, marks: [] } });
  await older;
  expect(shown(chat)).toEqual(['text 10: sent', 'text 11: sent']);
  expect(chat.messages('c1')).toMatchObject({ gap: true, loading: true, more: true });
  history(link, [message(999), message(1000)], { more: true });
  await settle();
  expect(shown(chat)).toEqual(['text 999: sent', 'text 1000: sent']);
  expect(chat.messages('c1')).toMatchObject({ gap: false, loading: false, more: true });
});

test('a gap in one that was left while an older page is on its way leaves nothing half known', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  history(link, [message(10)], { more: true });
  await settle();
  const older = chat.older('c1');
  chat.leave('c1');
  link.say(topics({ seq: 1000, head: 1000, recovered: false }));
  history(link, [message(9)], { more: true, head: 1000 });
  await older;
  expect(chat.messages('c1')).toMatchObject({ items: [], gap: false, loading: false });
});

/** Answers the page that was asked for last. */
const again = async (link: FakeLink, events: object[], more: object = {}) => {
  history(link, events, more);
  await settle();
};
const reborn = (seq: number, more: object = {}) => message(seq, { epoch: 2, client_id: `r-${seq}`, data: { conversation_id: 'c1', text: `again ${seq}` }, ...more });

test('another epoch is another log: what was known of the old one is gone, and what follows is shown, counted and told', async () => {
  const { world, client, link, chat } = await chatting();
  chat.open('c1');
  await again(link, Array.from({ length: 31 }, (_, i) => message(i + 1)), { marks: [{ user_id: 'bob', delivered: 31, read: 31 }] });
  link.reply('message:received', {});
  await settle();
  chat.read('c1');
  link.reply('message:read', {});
  // On its way when the server dies: it counts in no other log.
  link.say(message(32));
  client.interrupt();
  await world.clock.pass(5_000);
  const next = world.link;
  expect(next).not.toBe(link);
  // A backup of 11 was restored.
  next.say(topics({ epoch: 2, seq: 11, head: 11, recovered: false }));
  expect(chat.messages('c1').items).toEqual([]);
  await again(next, [reborn(10), reborn(11, { by: 'alice' })]);
  expect(shown(chat)).toEqual(['again 10: sent', 'again 11: sent']);
  next.reply('message:received', {});
  await settle();
  next.say(reborn(12));
  next.say(reborn(13));
  await settle();
  expect(shown(chat).slice(2)).toEqual(['again 12: sent', 'again 13: sent']);
  expect(chat.snapshot).toMatchObject({ totalUnread: 2, conversations: [{ last: { text: 'again 13' } }] });
  chat.read('c1');
  expect(next.asked('message:received').map(({ data }) => data.seq)).toEqual([11, 12]);
  expect(next.asked('message:read').map(({ data }) => data.seq)).toEqual([13]);
});

test('another epoch in a conversation that is not open, and in one whose epoch an answer tells first', async () => {
  const { world, client, link, chat } = await chatting([summary('c1', { head: 31, read: 31 }), summary('c2', { head: 31, read: 31 })]);
  const c2 = (seq: number, more = {}) => reborn(seq, { topic: 'conversation:c2', data: { conversation_id: 'c2', text: `again ${seq}` }, ...more });
  chat.open('c2');
  await again(link, [message(31, { topic: 'conversation:c2' })]);
  client.interrupt();
  void chat.send('c2', 'mine');
  await world.clock.pass(5_000);
  const next = world.link;
  // Answers may come before `topics`.
  next.reply('message:send', { topic: 'conversation:c2', epoch: 2, seq: 12, at: 5 });
  await settle();
  await again(next, [c2(11), c2(12, { by: 'alice', client_id: next.asked('message:send')[0]?.data.client_id })]);
  expect(shown(chat, 'c2')).toEqual(['again 11: sent', 'again 12: sent']);
  next.say(topics({ epoch: 2, seq: 11, head: 11, recovered: false }, { topic: 'conversation:c2', epoch: 2, seq: 12, recovered: true }));
  next.say(reborn(12));
  next.say(c2(13));
  await settle();
  expect(chat.snapshot.conversations.map(({ id, unread, last }) => [id, unread, last?.text])).toEqual([['c2', 1, 'again 13'], ['c1', 1, 'again 12']]);
  expect(next.asked('message:received').map(({ data }) => [data.conversation_id, data.seq])).toContainEqual(['c1', 12]);
});

test('a log that was rolled back within its epoch is read anew, too', async () => {
  const { link, chat } = await chatting();
  chat.open('c1');
  await again(link, [message(30), message(31)]);
  link.say(topics({ seq: 11, head: 11, recovered: false }));
  await again(link, [message(11)]);
  link.say(message(12, { data: { conversation_id: 'c1', text: 'new 12' } }));
  expect(shown(chat)).toEqual(['text 11: sent', 'new 12: sent']);
  expect(chat.snapshot.totalUnread).toBe(1);
});
