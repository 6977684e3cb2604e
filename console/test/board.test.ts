import type { Client, Events } from 'fanfare-client';
import { expect, test } from 'vitest';
import { NoticeBoard } from '../src/notices/board';

type Entry = Events['system:broadcast'][0];

test('by the clock of a PC that is 20 minutes fast an urgent notice is still news', () => {
  let take = (_: Entry) => {};
  const server = 1_790_000_000_000;
  const client = { on: (_: string, handler: typeof take) => { take = handler; return () => {}; }, now: () => server };
  const board = new NoticeBoard(client as unknown as Client);
  take({ topic: 'urgent_notice:all', epoch: 1, seq: 1, at: server - 1000, by: 'dana', client_id: 'a', data: { message: 'fire', priority: 'urgent' } } as Entry);
  expect(board.open.map(({ message }) => message)).toEqual(['fire']);
});

function board(now = 1_790_000_000_000) {
  let take = (_: Entry) => {};
  const on = (_: string, handler: typeof take) => {
    take = handler;
    return () => {};
  };
  const notices = new NoticeBoard({ on } as unknown as Client, () => now);
  const say = (epoch: number, seq: number, message: string, more: Partial<Entry> = {}) =>
    take({
      topic: 'urgent_notice:all', epoch, seq, at: now - 60_000 + seq, by: 'dana', client_id: message,
      data: { message, priority: 'urgent' }, ...more,
    } as Entry);
  const texts = (list: NoticeBoard['notices']) => list.map(({ message }) => message);
  return { notices, say, shown: () => ({ all: texts(notices.notices), open: texts(notices.open) }) };
}

test('after a restore what is new is shown where the lost notices stood, and what was kept is not shown twice', () => {
  const { notices, say, shown } = board();
  say(1, 1, 'kept');
  say(1, 2, 'lost');
  notices.dismiss(notices.open.find(({ message }) => message === 'kept')?.key ?? '');
  say(2, 1, 'kept');
  say(2, 2, 'fire in hall 3', { at: 1_790_000_000_000 });
  expect(shown()).toEqual({ all: ['fire in hall 3', 'lost', 'kept'], open: ['fire in hall 3', 'lost'] });
});

test('the same words at another time, or by somebody else, are another notice', () => {
  const { say, shown } = board();
  say(1, 1, 'again');
  say(1, 2, 'again');
  say(1, 3, 'again', { by: 'erin', at: 1_790_000_000_000 - 59_998 });
  expect(shown().all).toEqual(['again', 'again', 'again']);
});

test('many small notices push none off the page that matters more', () => {
  const { say, shown } = board();
  say(1, 1, 'leave the building');
  say(1, 2, 'gate 4 is closed', { data: { message: 'gate 4 is closed', priority: 'high' } });
  for (let seq = 3; seq <= 9; seq += 1) say(1, seq, `lunch ${seq}`, { data: { message: `lunch ${seq}`, priority: 'low' } });
  expect(shown().open).toEqual(['lunch 9', 'lunch 8', 'lunch 7', 'gate 4 is closed', 'leave the building']);
  for (let seq = 10; seq <= 15; seq += 1) say(1, seq, `alarm ${seq}`);
  expect(shown().open).toEqual(['alarm 15', 'alarm 14', 'alarm 13', 'alarm 12', 'alarm 11']);
});
