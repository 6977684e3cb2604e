import type { Client } from 'fanfare-client';
import { afterEach, expect, test, vi } from 'vitest';
import { Rights } from '../src/session/rights';

afterEach(() => vi.useRealTimers());

function asking() {
  vi.useFakeTimers();
  let tell = (_: { name: string }) => {};
  const on = (_: string, handler: typeof tell) => {
    tell = handler;
    return () => {};
  };
  const answers: { token: string; done: (may: string[]) => void; failed: (error: Error) => void }[] = [];
  let token = 't-1';
  const rights = new Rights({ on } as unknown as Client, () => token, (token) =>
    new Promise((done, failed) => answers.push({ token, done, failed })));
  const may = () => rights.may && [...rights.may];
  return { rights, answers, may, tell: (name: string) => tell({ name }), renew: (newer: string) => (token = newer) };
}

const settled = () => vi.advanceTimersByTimeAsync(0);

test('what the server says counts, with each connection and each newer token', async () => {
  const { answers, may, tell, renew } = asking();
  tell('open');
  expect(may()).toBeUndefined();
  answers[0]?.done(['connect', 'watch_locations']);
  await settled();
  expect(may()).toEqual(['connect', 'watch_locations']);
  // Meanwhile it stays, and an answer that a newer question has overtaken says nothing.
  tell('backoff');
  tell('open');
  renew('t-2');
  tell('open');
  expect(answers.map(({ token }) => token)).toEqual(['t-1', 't-1', 't-2']);
  answers[2]?.done(['connect']);
  answers[1]?.done(['connect', 'broadcast']);
  await settled();
  expect(may()).toEqual(['connect']);
});

test('where it does not say it is asked again, while there is a connection', async () => {
  const { rights, answers, may, tell } = asking();
  tell('open');
  answers[0]?.failed(new Error('status 503'));
  await vi.advanceTimersByTimeAsync(5_000);
  answers[1]?.done(['broadcast']);
  await settled();
  expect(may()).toEqual(['broadcast']);
  tell('open');
  answers[2]?.failed(new Error('status 503'));
  await settled();
  rights.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([answers.length, vi.getTimerCount()]).toEqual([3, 0]);
});
