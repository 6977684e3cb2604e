// How fresh an agent's position is. The shader of the markers has the same bounds.
import type { Agent } from 'fanfare-client';

export type Freshness = 'live' | 'late' | 'stale' | 'unknown';

export const LATE_AFTER = 15_000;
export const STALE_AFTER = 60_000;

/** Milliseconds since the fix was taken. A device whose clock is a little ahead is not from the future. */
export function ageOf(agent: Agent, now: number): number | undefined {
  return agent.fix && Math.max(0, now - agent.fix.time);
}

export function freshness(agent: Agent, now: number): Freshness {
  const age = ageOf(agent, now);
  if (age === undefined) return 'unknown';
  return age < LATE_AFTER ? 'live' : age < STALE_AFTER ? 'late' : 'stale';
}

export const FRESHNESS_WORD: Record<Freshness, string> = {
  live: 'Live',
  late: 'Late',
  stale: 'Stale',
  unknown: 'No position',
};
