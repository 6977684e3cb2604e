// What a newcomer does first, and what went wrong without a word.
import { afterEach, expect, test, vi } from 'vitest';
import { Client } from '../src/index.ts';
import { People } from '../src/presence/index.ts';
import { settle, World } from './fake.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test('where there is no transport, connecting throws at once', () => {
  vi.stubGlobal('WebSocket', undefined);
  vi.stubGlobal('WebTransport', undefined);
  const client = new Client({ url: 'http://h', token: 't' });
  expect(() => client.connect()).toThrow(expect.objectContaining({ code: 'NO_TRANSPORT', message: expect.stringContaining('--experimental-websocket') }));
  expect(client.state.name).toBe('closed');
});

test('nor does a transport that is asked for and not there leave one waiting', () => {
  vi.stubGlobal('WebTransport', undefined);
  const client = new Client({ url: 'http://h', token: 't', transport: 'webtransport' });
  expect(() => client.connect()).toThrow(expect.objectContaining({ code: 'NO_TRANSPORT' }));
  const other = new Client({ url: 'http://h', token: 't' });
  expect(() => other.useTransport('webtransport')).toThrow(expect.objectContaining({ code: 'NO_TRANSPORT' }));
});

test('positions that are refused and nobody listens to errors: one line in the console', async () => {
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  const world = new World();
  const { client, link } = await world.connected();
  client.subscribe('locations').on('change', () => {});
  await settle();
  link.refuse('subscribe', 'UNAUTHORIZED');
  expect(said.mock.calls).toEqual([['Fanfare: locations: UNAUTHORIZED UNAUTHORIZED']]);
  link.end();
  await world.clock.pass(5_000);
  world.link.refuse('subscribe', 'UNAUTHORIZED');
  expect(said).toHaveBeenCalledTimes(1);
});

test('nor where they are taken away; where somebody listens, none', async () => {
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  const ended = { event: 'subscription:ended', data: { channel: 'locations', view: 1, error: { code: 'UNAUTHORIZED', message: 'no longer' } } };
  const follow = async (listen: (client: Client, locations: ReturnType<Client['subscribe']>) => void) => {
    const world = new World();
    const { client, link } = await world.connected();
    listen(client, client.subscribe('locations'));
    await settle();
    link.reply('subscribe', { subscriptions: [{ channel: 'locations', view: 1, epoch: 1 }] });
    link.say(ended);
  };
  await follow((client) => client.on('error', () => {}));
  await follow((_, locations) => locations.on('error', () => {}));
  expect(said).not.toHaveBeenCalled();
  await follow(() => {});
  expect(said.mock.calls).toEqual([['Fanfare: locations: UNAUTHORIZED no longer']]);
});

test('fixes that are refused: the console says why, once for each reason, unless somebody listens', async () => {
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  const { client, link } = await new World().connected();
  const stored = (...rejected: object[]) => link.say({ event: 'location:stored', data: { stored: [[1, 2]], ...(rejected.length && { rejected }) } });
  stored();
  expect(said).not.toHaveBeenCalled();
  for (let counter = 3; counter < 9; counter += 2) stored({ counter, reason: 'clock_ahead' }, { counter: counter + 1, reason: 'too_old' });
  expect(said.mock.calls.map(([line]) => /refused: (\w+);/.exec(String(line))?.[1])).toEqual(['clock_ahead', 'too_old']);

  const other = await new World().connected();
  const heard: unknown[] = [];
  other.client.on('location:stored', (answer) => heard.push(answer));
  other.link.say({ event: 'location:stored', data: { stored: [], rejected: [{ counter: 1, reason: 'clock_ahead' }] } });
  expect(heard).toEqual([{ stored: [], rejected: [{ counter: 1, reason: 'clock_ahead' }] }]);
  expect(said).toHaveBeenCalledTimes(2);
  client.close();
  other.client.close();
});

test('half a character does not end the connection: what is sent is JSON', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  client.request('message:send', { conversation_id: 'c1', text: 'half \ud83d, whole \ud83d\ude00' }).catch(() => {});
  await settle();
  expect(link.asked('message:send')[0]?.data.text).toBe('half \ufffd, whole \ud83d\ude00');
});

test('presence that is refused and nobody looks at: one line, too; a refusal that passes: none', async () => {
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  const world = new World();
  const { client, link } = await world.connected();
  client.subscribe('locations');
  await settle();
  link.refuse('subscribe', 'UNAVAILABLE', 1_000);
  expect(said).not.toHaveBeenCalled();
  const people = new People(client);
  people.watch(['bob']);
  await settle();
  link.refuse('subscribe', 'UNAUTHORIZED');
  await settle();
  expect(said.mock.calls).toEqual([['Fanfare: presence: UNAUTHORIZED UNAUTHORIZED']]);
  people.close();
});
