// Spans of a track that lack fixes which may still come: a device sends what it could not send later, and the live view
// leaves out what a newer fix followed within a moment.
import type { Fix } from './track';

export interface Gap {
  from: number;
  to: number;
  /** When it was found. */
  since: number;
}

/** Milliseconds between fixes that are no gap, whatever is usual. */
const LEAST = 15_000;
/** How many times the usual interval is a gap. */
const TIMES = 3;
/** Intervals that say what is usual. */
const SAMPLE = 30;
/** A gap that nothing filled for so long is one. */
export const PATIENCE = 15 * 60_000;

/** What this track's fixes may be apart, by the middle one of its last intervals. */
export function usual(fixes: readonly Fix[]): number {
  const last = fixes.slice(-SAMPLE - 1);
  const intervals = last.slice(1).map(({ time }, i) => time - last[i]!.time).sort((a, b) => a - b);
  return Math.max(LEAST, TIMES * (intervals[Math.floor(intervals.length / 2)] ?? 0));
}

/** The longest ones of a track that was just read, at most so many. */
export function found(fixes: readonly Fix[], now: number, count: number): Gap[] {
  const most = usual(fixes);
  const gaps = fixes.slice(1).map(({ time }, i) => ({ from: fixes[i]!.time, to: time, since: now }));
  return gaps.filter(({ from, to }) => to - from > most).sort((a, b) => b.to - b.from - (a.to - a.from)).slice(0, count);
}

/** Those that are still open, and not given up. */
export function open(gaps: readonly Gap[], fixes: readonly Fix[], now: number): Gap[] {
  const most = usual(fixes);
  return gaps.filter(({ from, to, since }) => {
    if (now - since > PATIENCE) return false;
    const within = fixes.filter(({ time }) => time >= from && time <= to);
    return within.some(({ time }, i) => i > 0 && time - within[i - 1]!.time > most);
  });
}
