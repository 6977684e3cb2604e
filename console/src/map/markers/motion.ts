// How a marker moves: from where it is shown to its newest fix, in about the time until the next fix. The shader
// (program.ts) does the same sums for drawing; these are for hit tests, labels and following.

/** Seconds that a movement lasts at least and at most. */
export const SHORTEST = 0.15;
export const LONGEST = 3;

/** Of the world's width: what is further (some 200 km) is a jump, not a drive. */
export const JUMP = 0.005;

/** How far a movement is, 0 to 1. */
export function progress(start: number, duration: number, now: number): number {
  if (duration <= 0) return 1;
  return Math.max(0, Math.min(1, (now - start) / duration));
}

/** The running average of the time between an agent's fixes, in seconds; pauses count as one long interval at most. */
export function interval(before: number, elapsed: number): number {
  const bounded = Math.max(SHORTEST, Math.min(LONGEST, elapsed));
  return before === 0 ? bounded : before * 0.7 + bounded * 0.3;
}

/** A bit longer than the interval, so that a fix that is a little late causes no stop. */
export function duration(interval: number): number {
  return Math.max(SHORTEST, Math.min(LONGEST, interval * 1.15));
}

/** Radians between two headings by the shorter turn. */
export function turn(from: number, to: number): number {
  const full = 2 * Math.PI;
  return ((((to - from + Math.PI) % full) + full) % full) - Math.PI;
}
