// The built package in Node, with the real server, over WebSocket.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Chat } from '../../dist/chat/index.js';
import { packFixes } from '../../dist/fixes.js';
import { Client, memoryStore, type Options } from '../../dist/index.js';
import { start, token, until, type Server } from './server.ts';

let server: Server;
const clients: Client[] = [];
beforeAll(async () => {
  server = await start();
});
afterAll(() => server?.stop());
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function connect(user: string, role = 'supervisor', options: Partial<Options> = {}): Client {
  const client = new Client({ url: server.base, token: token(user, role), ...options });
  clients.push(client);
  client.connect();
  return client;
}

const opened = (client: Client) => until('open', () => client.state.name === 'open');

test('messages arrive once and in order, however often the connection is cut', async () => {
  const [alice, bob] = [connect('alice'), connect('bob')];
  const got: string[] = [];
  bob.on('message:new', ({ data }) => got.push(data.text));
  const { conversation_id } = await alice.request('conversation:create', { kind: 'private', members: ['bob'] });
  const sent: string[] = [];
  const answers: Promise<unknown>[] = [];
  for (let i = 0; i < 60; i += 1) {
    sent.push(`message ${i}`);
    answers.push(alice.request('message:send', { conversation_id: conversation_id as string, text: `message ${i}` }));
    if (i % 15 === 7) alice.interrupt();
    if (i % 15 === 11) bob.interrupt();
    if (i % 5 === 0) await until('some to arrive', () => alice.outbox.length < 5);
  }
  await Promise.all(answers);
  await until('all to arrive', () => got.length >= sent.length);
  expect(got).toEqual(sent);
  expect(alice.stats().reconnects).toBeGreaterThan(0);
  expect(bob.stats()).toMatchObject({ gaps: 0 });
});

test('a reload goes on where the page was, with what it had not sent', async () => {
  const alice = connect('alice2');
  const { conversation_id } = await alice.request('conversation:create', { kind: 'group', members: ['bob2'] });
  const store = memoryStore();
  const before = connect('bob2', 'supervisor', { store });
  await opened(before);
  const got: string[] = [];
  alice.on('message:new', ({ data }) => got.push(`alice: ${data.text}`));
  before.on('message:new', ({ data }) => got.push(`bob: ${data.text}`));
  // A device that never had anything of a conversation goes on from where that stands.
  await alice.request('message:send', { conversation_id: conversation_id as string, text: 'while there' });
  await until('the page has it', () => got.includes('bob: while there'));
  before.close();
  before.request('message:send', { conversation_id: conversation_id as string, text: 'written offline' }).catch(() => {});
  await alice.request('message:send', { conversation_id: conversation_id as string, text: 'while away' });

  before.connect();
  await until('both', () => got.includes('bob: while away') && got.includes('alice: written offline'));
  expect(got.filter((heard) => heard === 'bob: while there')).toHaveLength(1);
});

test('positions: snapshot, then live', async () => {
  const [watcher, agent] = [connect('carol'), connect('erin', 'agent')];
  await Promise.all([opened(watcher), opened(agent)]);
  const fix = (counter: number) => ({ counter, time: Date.now(), lat: 52.5 + counter / 1000, lon: 13.4, speed: 1.5 });
  for (const packet of packFixes([fix(1)])) agent.sendPacket(packet);
  const locations = watcher.subscribe('locations');
  const first = await until('the first position', () => locations.agents.get('erin')?.fix);
  expect(first).toMatchObject({ lat: 52.501, speed: 1.5 });
  for (const packet of packFixes([fix(2)])) agent.sendPacket(packet);
  await until('the second', () => locations.agents.get('erin')?.fix?.lat === 52.502);
  watcher.interrupt();
  expect(locations.state).toBe('waiting');
  expect(locations.agents.size).toBeGreaterThan(0);
  await until('a new snapshot', () => locations.state === 'live');
  expect(locations.agents.get('erin')?.fix?.lat).toBe(52.502);
  const stored = await agent.request('location:update', { fixes: [fix(3)] });
  expect(stored.stored).toEqual([[3, 3]]);
  locations.close();
});

test('a chat between two: list, receipts, history, what failed', async () => {
  const [a, b] = [connect('frank'), connect('grace')];
  const [frank, grace] = [new Chat(a), new Chat(b)];
  await until('the lists', () => frank.snapshot.ready && grace.snapshot.ready);
  const id = await frank.create({ kind: 'private', members: ['grace'] });
  await until('grace to know', () => grace.snapshot.conversations.some((each) => each.id === id));
  frank.open(id);
  await frank.send(id, 'hello');
  await until('grace to have it', () => grace.snapshot.conversations.find((each) => each.id === id)?.unread === 1);
  await until('delivered', () => frank.messages(id).items[0]?.status === 'delivered');
  grace.open(id);
  await until('the history', () => grace.messages(id).items.length === 1);
  grace.read(id);
  expect(grace.snapshot.totalUnread).toBe(0);
  await until('read', () => frank.messages(id).items[0]?.status === 'read');
  for (let i = 0; i < 70; i += 1) void grace.send(id, `${i}`);
  await until('all of them', () => b.outbox.length === 0);
  await until('frank to have them', () => frank.messages(id).items.length === 71);
  expect(frank.messages(id).items.map(({ text }) => text)).toEqual(['hello', ...Array.from({ length: 70 }, (_, i) => `${i}`)]);
  expect(grace.messages(id).items.every(({ status, mine }) => !mine || status !== 'sending')).toBe(true);

  const late = connect('grace');
  const third = new Chat(late);
  await until('the list', () => third.snapshot.ready);
  third.open(id);
  await until('a page', () => third.messages(id).items.length === 50);
  expect(third.messages(id).more).toBe(true);
  await third.older(id);
  expect(third.messages(id).items.length).toBe(71);
  await expect(frank.send('no-such-conversation', 'x')).rejects.toMatchObject({ code: 'ROOM_NOT_FOUND' });
});

test('a token that is refused ends it, with the reason', async () => {
  const client = connect('mallory', 'supervisor', { token: 'nonsense' });
  const state = await until('closed', () => client.state.name === 'closed' && client.state);
  expect(state).toMatchObject({ code: 4200, error: { code: 'AUTH_FAILED' } });
});

test('whoever is closed for good stays away', async () => {
  const client = connect('mallory');
  await opened(client);
  const closed = new Promise((done) => client.on('state', (state) => state.name === 'closed' && done(state)));
  const say = { conversation_id: 'nowhere', text: 'hello' };
  // Refused each time, until the server has had enough.
  while (client.state.name === 'open') await Promise.race([closed, client.request('message:send', say).catch(() => {})]);
  expect(await closed).toEqual({ name: 'closed', code: 4201, reason: 'too many invalid messages' });
  expect(client.stats()).toMatchObject({ reconnects: 0 });
});
