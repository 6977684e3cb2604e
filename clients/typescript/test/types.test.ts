// What the compiler must let pass, and what it must not: checked by `tsc`, run for its side of things, too.
import { expect, test } from 'vitest';
import { Client, type Pending, type State } from '../src/index.ts';

const client = new Client({ url: 'http://h', token: 't', transport: 'websocket' });

test('requests know their data and answers, events their payloads', () => {
  const compiled = async () => {
    const { seq, conversation_id } = await client.request('message:send', { conversation_id: 'c1', text: 'hi' });
    const position: number = seq;
    const created: string | undefined = conversation_id;
    const page = await client.request('message:history', { conversation_id: 'c1', before: position });
    for (const event of page.events) if (event.event === 'message:new') event.data.text.trim();
    // @ts-expect-error: the text is missing
    await client.request('message:send', { conversation_id: 'c1' });
    // @ts-expect-error: a field that does not exist
    await client.request('client:ping', { conversation_id: 'c1' }).then((pong) => pong.text);
    // @ts-expect-error: no such request
    await client.request('message:explode', {});
    // @ts-expect-error: the client's own business
    await client.request('authenticate', {});
    // @ts-expect-error: no such kind
    await client.request('conversation:create', { kind: 'secret', members: [] });

    client.on('message:new', ({ topic, seq, data }) => [topic.length, seq.toFixed(), data.text]);
    client.on('message:read', ({ user_id, seq }) => [user_id, seq]);
    client.on('state', (state: State, before: State) => [state.name, before.name]);
    // @ts-expect-error: not an event of a log
    client.on('message:read', ({ topic }) => topic);
    // @ts-expect-error: no such event
    client.on('message:exploded', () => {});
    // @ts-expect-error: no such channel
    client.subscribe('weather');
    // @ts-expect-error: read only
    client.subscribe('locations').agents.set('x', undefined);
    if (client.state.name === 'open') client.state.userId.trim();
    // @ts-expect-error: only while open
    client.state.userId;
    // @ts-expect-error: a state is replaced, never changed
    client.state.name = 'open';
    const pending: Pending | undefined = client.outbox[0];
    if (pending?.event === 'message:send') pending.data.text.trim();
    return created;
  };
  expect(compiled).toBeTypeOf('function');
});
