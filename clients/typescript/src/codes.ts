import type { Advice } from './generated.ts';

/** What a close code advises, also one that this version does not know. None: the connection broke. */
export function adviceOf(code = 0): Advice {
  if (code >= 4100 && code <= 4199) return 'later';
  if (code >= 4200 && code <= 4299) return 'never';
  return 'now';
}

/** The close code that goes with the refusal of `authenticate`. */
export function closeCodeOf(error: string): number {
  if (error === 'TOKEN_EXPIRED') return 4003;
  if (error === 'CONNECTION_LIMIT') return 4101;
  if (error === 'UNAVAILABLE' || error === 'INTERNAL_ERROR' || error === 'RATE_LIMIT_EXCEEDED') return 4102;
  return 4200;
}
