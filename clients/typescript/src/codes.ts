import type { Advice } from './generated.ts';

/** What a close code advises, also one that this version does not know. None: the connection broke. */
export function adviceOf(code = 0): Advice {
  if (code >= 4100 && code <= 4199) return 'later';
  if (code >= 4200 && code <= 4299) return 'never';
  return 'now';
}

/** Refusals that may be over soon: what is refused so is asked again. */
export const PASSING: readonly string[] = ['UNAVAILABLE', 'RATE_LIMIT_EXCEEDED', 'INTERNAL_ERROR'];

/** The close code that goes with the refusal of `authenticate`. One that says when to ask again passes. */
export function closeCodeOf(error: string, retryAfterMs?: number): number {
  if (error === 'TOKEN_EXPIRED') return 4003;
  if (error === 'TOKEN_NOT_YET_VALID') return 4104;
  if (error === 'CONNECTION_LIMIT') return 4101;
  return retryAfterMs !== undefined || PASSING.includes(error) ? 4102 : 4200;
}
