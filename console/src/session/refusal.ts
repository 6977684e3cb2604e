// Why a connection is closed for good, in words for the one who sits before it.
import type { State } from 'fanfare-client';

/** Says the session itself (session.ts). */
export const EXPIRED = 'the token has expired';

/** When a token that is not valid yet is tried again, by the server's time. Undefined: that is not why there is no connection. */
export function notYet(state: State): number | undefined {
  if (state.name !== 'backoff') return undefined;
  return state.code === 4104 || state.error?.code === 'TOKEN_NOT_YET_VALID' ? state.until : undefined;
}

/** Undefined: it was closed here, on purpose. */
export function refusal(state: State): string | undefined {
  if (state.name !== 'closed') return undefined;
  const code = state.error?.code;
  if (state.error?.message === EXPIRED || code === 'TOKEN_EXPIRED' || state.code === 4003) return 'This token has expired.';
  if (code === 'AUTH_FAILED' || state.code === 4200) return 'The server refused this token: it is not valid here.';
  if (state.code === 4201) return 'The server closed the connection: too many messages were refused.';
  if (state.code !== undefined) return `The server closed the connection: ${state.reason || `code ${state.code}`}.`;
  return state.error ? `The connection was closed: ${state.error.message}.` : undefined;
}
