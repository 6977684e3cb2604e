import type { Advice } from './generated.ts';

const BASE = 500;
export const CAP = 30_000;

/**
 * How long to wait before the next attempt: a random part of a window that doubles with each failure in a row (full
 * jitter), so that clients that were cut off together do not return together.
 */
export function delay(failures: number, advice: Advice, random: () => number, cap = CAP): number {
  const doublings = Math.min(failures + (advice === 'later' ? 1 : 0), 16);
  return Math.round(random() * Math.min(cap, BASE * 2 ** doublings));
}
