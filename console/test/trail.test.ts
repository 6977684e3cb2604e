// A track that is read, goes on, and gets back what was missing. The clock is the test's.
import { describe, expect, test } from 'vitest';
import { TrailReader, type Read, type Source } from '../src/trail/reader';
import type { Fix } from '../src/trail/track';

const NOW = 1_790_000_000_000;
const fix = (seconds: number, more: Partial<Fix> = {}): Fix => ({ time: NOW + seconds * 1000, lat: 50 + seconds / 1e5, lon: 8, ...more });

/** A server's history, a clock, and the reader of both. */
function world(minutes = 15) {
  let now = NOW;
  let timers: { at: number; then: () => void }[] = [];
  const stored: Fix[] = [];
  const asked: { from: number; to: number }[] = [];
  let fault: unknown;
  let shown: Read = { fixes: [], state: 'loading', cut: false };
  const source: Source = {
    now: () => now,
    async read({ from, to, after }) {
      asked.push({ from: (from - NOW) / 1000, to: (to - NOW) / 1000 });
      await Promise.resolve();
      if (fault !== undefined) throw fault;
      const all = stored.filter(({ time }) => time >= from && time <= to).sort((a, b) => a.time - b.time);
      const start = Number(after ?? 0);
      const fixes = all.slice(start, start + 50);
      return { fixes, ...(start + 50 < all.length && { next: String(start + 50) }) };
    },
    after(ms, then) {
      const timer = { at: now + ms, then };
      timers.push(timer);
      return () => { timers = timers.filter((other) => other !== timer); };
    },
  };
  const reader = new TrailReader(source, minutes * 60_000, (read) => { shown = read; });
  const settle = async () => { for (let i = 0; i < 40; i++) await Promise.resolve(); };
  return {
    reader, stored, asked, settle,
    shown: () => shown,
    seconds: () => shown.fixes.map(({ time }) => (time - NOW) / 1000),
    fail: (error: unknown) => { fault = error; },
    store: (...fixes: Fix[]) => { stored.push(...fixes.map((one, i) => ({ ...one, counter: stored.length + i + 1 }))); },
    /** Time passes, a second at a time. */
    async pass(seconds: number) {
      for (let i = 0; i < seconds; i++) {
        now += 1000;
        for (const timer of timers.filter(({ at }) => at <= now)) {
          timers = timers.filter((other) => other !== timer);
          timer.then();
        }
        await settle();
      }
    },
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('a trail', () => {
  test('what came while the connection was away is read after it', async () => {
    const w = world();
    w.store(...range(-60, 0).map((s) => fix(s)));
    w.reader.connected();
    await w.settle();
    w.reader.disconnected();
    await w.pass(30);
    w.store(...range(1, 36).map((s) => fix(s)));
    w.reader.connected();
    await w.settle();
    expect(w.seconds()).toEqual(range(-60, 36));
    // And not all of it again.
    expect(w.asked.at(-1)!.from).toBeGreaterThanOrEqual(-61);
  });

  test('fixes that a device sends late are found: the gap in what came live is read until it is filled', async () => {
    const w = world();
    w.store(...range(-60, 0).map((s) => fix(s)));
    w.reader.connected();
    await w.settle();
    // Off for 30 s; then its newest position is live at once, and the others are stored a little later.
    await w.pass(31);
    w.reader.live(fix(31));
    await w.pass(3);
    w.store(...range(1, 31).map((s) => fix(s)));
    await w.pass(10);
    expect(w.seconds()).toEqual(range(-60, 31));
    const { length } = w.asked;
    await w.pass(60);
    expect(w.asked.length - length, 'nothing is missing: it looks now and then, two pages each time').toBeLessThanOrEqual(4);
  });

  test('fixes that came late without a gap are found within half a minute', async () => {
    const w = world();
    w.store(...[-4, -2, 0].map((s) => fix(s)));
    w.reader.connected();
    await w.settle();
    w.store(fix(-3), fix(-1));
    await w.pass(31);
    expect(w.seconds()).toEqual(range(-4, 0));
  });

  test('a gap that was there from the start is filled by what a device sends late', async () => {
    const w = world();
    w.store(...range(-600, -300).map((s) => fix(s)), ...range(-60, 0).map((s) => fix(s)));
    w.reader.connected();
    await w.settle();
    await w.pass(40);
    w.store(...range(-299, -200).map((s) => fix(s)));
    await w.pass(70);
    expect(w.seconds()).toEqual([...range(-600, -200), ...range(-60, 0)]);
    const { length } = w.asked;
    await w.pass(900);
    // Three pages each time, and less and less often.
    const within = w.asked.slice(length).filter(({ to }) => to < 0);
    expect(within.length).toBeGreaterThan(0);
    expect(within.length).toBeLessThan(12);
    await w.pass(300);
    expect(w.asked.filter(({ to }) => to < 0).length, 'given up').toBe(w.asked.slice(0, length).filter(({ to }) => to < 0).length + within.length);
  });

  test('a failed read is tried again, with growing pauses, and as late as the server says', async () => {
    const w = world();
    w.store(...range(-60, 0).map((s) => fix(s)));
    w.fail(Object.assign(new Error('the store does not answer'), { code: 'UNAVAILABLE' }));
    w.reader.connected();
    await w.settle();
    expect(w.shown()).toMatchObject({ state: 'failed', error: 'the store does not answer' });
    await w.pass(20);
    expect(w.asked.length).toBeGreaterThan(3);
    expect(w.asked.length).toBeLessThan(8);
    w.fail(Object.assign(new Error('slower'), { code: 'RATE_LIMIT_EXCEEDED', retryAfterMs: 100_000 }));
    await w.pass(31);
    const { length } = w.asked;
    w.fail(undefined);
    await w.pass(60);
    expect(w.asked.length).toBe(length);
    await w.pass(60);
    expect(w.shown().state).toBe('done');
    expect(w.shown().error).toBeUndefined();
    expect(w.seconds()).toEqual(range(-60, 0));
  });

  test('what another attempt does not change is not tried again, until somebody asks', async () => {
    const w = world();
    w.fail(Object.assign(new Error('not yours'), { code: 'FORBIDDEN' }));
    w.reader.connected();
    await w.pass(120);
    expect(w.asked).toHaveLength(1);
    w.fail(undefined);
    w.reader.retry();
    await w.settle();
    expect(w.shown().state).toBe('done');
  });

  test('a read that fails in the middle goes on there, and what was read stays', async () => {
    const w = world();
    w.store(...range(-300, 0).map((s) => fix(s)));
    w.reader.connected();
    await w.settle();
    w.fail(new Error('gone'));
    await w.pass(31);
    expect(w.shown()).toMatchObject({ state: 'done', error: 'gone' });
    expect(w.seconds()).toEqual(range(-300, 0));
    w.fail(undefined);
    await w.pass(40);
    expect(w.shown().error).toBeUndefined();
  });

  test('a device whose clock was set back goes on being shown', async () => {
    const w = world();
    w.store(...range(0, 50).map((s) => fix(s)));
    w.reader.connected();
    await w.settle();
    w.reader.live(fix(1.5));
    await w.pass(2);
    expect(w.seconds()).toContain(1.5);
  });

  test('the window moves on', async () => {
    const w = world(1);
    w.store(...range(-59, 0).map((s) => fix(s)));
    w.reader.connected();
    await w.pass(300);
    expect(w.seconds()).toEqual([]);
  });

  test('after it is closed nothing happens', async () => {
    const w = world();
    w.reader.connected();
    await w.settle();
    w.reader.close();
    const { length } = w.asked;
    await w.pass(100);
    expect(w.asked).toHaveLength(length);
  });
});
