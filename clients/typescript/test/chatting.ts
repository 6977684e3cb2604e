// A chat on a client whose server a test plays.
import { Chat } from '../src/chat/index.ts';
import { settle, World, type FakeLink } from './fake.ts';

export const summary = (conversation_id = 'c1', more: object = {}) => ({
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

export async function chatting(list: object[] = [summary()], options = {}) {
  const world = new World();
  const { client, link } = await world.connected(options);
  const chat = new Chat(client);
  link.reply('conversation:list', { conversations: list });
  await settle();
  return { world, client, link, chat };
}

export function history(link: FakeLink, events: object[], more: object = {}) {
  const head = Math.max(0, ...events.map((event) => (event as { seq: number }).seq));
  link.reply('message:history', { events, more: false, head, marks: [], ...more });
}

export const shown = (chat: Chat, id = 'c1') => chat.messages(id).items.map(({ text, status }) => `${text}: ${status}`);
