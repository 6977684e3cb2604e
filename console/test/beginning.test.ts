// A conversation that is being begun: what is written meanwhile is sent once, whatever comes between.
import { describe, expect, test, vi } from 'vitest';
import { FanfareError, type Client } from 'fanfare-client';
import type { Chat } from 'fanfare-client/chat';
import { Begun, Beginning } from '../src/chat/beginning';
import { idsIn } from '../src/chat/people';
import { unkept } from '../src/lib/storage';
import { Drafts, forConversation } from '../src/session/drafts';
import { notYet } from '../src/session/refusal';

const ABOUT = { kind: 'group' as const, members: ['bob'], title: 'G' };
function drafts(own = unkept()): Drafts {
  const made = new Drafts(own);
  made.belong('ann');
  return made;
}

/** A server that takes each request once by its id. */
function world(answers: (() => Promise<string>)[] = []) {
  const made: string[] = [];
  const sent = new Map<string, { conversation_id: string; text: string }>();
  const listeners = new Set<(state: { name: string }) => void>();
  const client = {
    request: vi.fn(async (_: string, data: { client_id: string; conversation_id: string; text: string }) => void sent.set(data.client_id, data)),
    on: (_: string, listener: (state: { name: string }) => void) => (listeners.add(listener), () => listeners.delete(listener)),
  };
  const chat = { create: vi.fn(async ({ client_id: id }: { client_id: string }) => (made.push(id), (answers.shift() ?? (async () => 'c1'))())) };
  const open = () => listeners.forEach((listener) => listener({ name: 'open' }));
  return { client: client as unknown as Client, chat: chat as unknown as Chat, made, texts: () => [...sent.values()].map(({ text }) => text), open, listening: () => listeners.size };
}

describe('a conversation that is being begun', () => {
  test('what was sent meanwhile goes out after a reload, once', async () => {
    const own = unkept();
    const before = world([() => new Promise(() => {})]);
    new Beginning(before.client, before.chat, drafts(own), ABOUT).later('fire');
    // Two tabs are opened instead of it.
    const after = world();
    await Promise.all([drafts(own), drafts(own)].flatMap((of) => new Begun(of).restore(after.client, after.chat)));
    await vi.waitFor(() => expect(own.keys()).toEqual([]));
    expect(new Set([...before.made, ...after.made]).size).toBe(1);
    expect(after.texts()).toEqual(['fire']);
  });

  test('a request that waits is made again under its own id, once there is a connection', async () => {
    const w = world([() => Promise.reject(new FanfareError('AUTH_FAILED', 'expired', undefined, 'x'))]);
    const beginning = new Beginning(w.client, w.chat, drafts(), ABOUT);
    await vi.waitFor(() => expect(w.listening()).toBe(1));
    w.open();
    expect(await beginning.made).toBe('c1');
    expect(w.made).toEqual([w.made[0], w.made[0]]);
  });

  test('what is refused is a draft of the conversation, and nothing is kept', async () => {
    const own = unkept();
    const w = world();
    w.client.request = async () => Promise.reject(new FanfareError('MESSAGE_TOO_LARGE', 'too long'));
    const of = drafts(own);
    const beginning = new Beginning(w.client, w.chat, of, ABOUT);
    beginning.later('long');
    await beginning.made;
    await vi.waitFor(() => expect(of.get(forConversation('c1'))).toBe('long'));
    await vi.waitFor(() => expect(of.list('begun/')).toEqual([]));
  });
});

describe('one that is refused', () => {
  const refusing = () => world([() => Promise.reject(new FanfareError('INVALID_MESSAGE', 'too many members'))]);

  test('waits, with what was written for it, until somebody has seen it', async () => {
    const own = unkept();
    const w = refusing();
    const begun = new Begun(drafts(own));
    const beginning = begun.begin(w.client, w.chat, ABOUT, 'from before');
    beginning.later('sent');
    drafts(own).set(beginning.draft, 'typed');
    await vi.waitFor(() => expect(begun.refused).toHaveLength(1));
    expect(begun.refused[0]).toMatchObject({ about: ABOUT, error: 'too many members', text: 'sent\ntyped' });
    const { client, chat } = world();
    const later = new Begun(drafts(own));
    expect(later.restore(client, chat)).toEqual([]);
    expect(later.refused).toEqual(begun.refused);
    later.putAway(later.refused[0]!.key);
    expect([later.refused, own.keys()]).toEqual([[], []]);
  });

  test('leaves nothing to the next one', async () => {
    const own = unkept();
    const w = refusing();
    const begun = new Begun(drafts(own));
    begun.begin(w.client, w.chat, ABOUT).later('for bob');
    await vi.waitFor(() => expect(begun.refused).toHaveLength(1));
    const next = begun.begin(w.client, w.chat, { kind: 'private', members: ['carl'] });
    await next.made;
    expect(drafts(own).get(forConversation('c1'))).toBe('');
  });
});

test('what is typed joins the draft of a conversation that was there already', async () => {
  const own = unkept();
  const w = world();
  const of = drafts(own);
  of.set(forConversation('c1'), 'old');
  const empty = new Beginning(w.client, w.chat, of, ABOUT);
  await empty.made;
  expect(of.get(forConversation('c1'))).toBe('old');
  const typed = new Beginning(w.client, w.chat, of, ABOUT);
  of.set(typed.draft, 'new');
  const end = typed.write();
  await typed.made;
  expect(of.get(forConversation('c1')), 'a field moves its draft itself').toBe('old');
  end();
  expect([of.get(forConversation('c1')), of.get(typed.draft)]).toEqual(['old\nnew', '']);
});

test('of people who are written alike none is meant by the name', () => {
  expect(idsIn('Zoe 7', ['~~Zo=C3=AB=207', '~~Zoe=207'])).toEqual({ ids: ['Zoe', '7'] });
  expect(idsIn('Zoë 7', ['~~Zo=C3=AB=207'])).toEqual({ ids: ['~~Zo=C3=AB=207'] });
});

test('a token that is not valid yet is said to be so, until it is tried again', () => {
  const backoff = { name: 'backoff' as const, attempt: 1, until: 7 };
  expect(notYet({ ...backoff, code: 4104 })).toBe(7);
  expect(notYet({ ...backoff, error: new FanfareError('TOKEN_NOT_YET_VALID', 'later') })).toBe(7);
  expect(notYet(backoff)).toBeUndefined();
});
