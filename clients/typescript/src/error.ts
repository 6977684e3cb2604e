import type { ErrorCode } from './generated.ts';

/** What a request is rejected with. Codes of a later server are passed on as they are. */
export type Code = ErrorCode | 'TIMEOUT' | 'DISCONNECTED' | 'CLOSED' | 'OUTBOX_FULL' | 'NO_TRANSPORT' | (string & {});

export class FanfareError extends Error {
  readonly code: Code;
  /** Where waiting helps. */
  readonly retryAfterMs?: number;

  constructor(code: Code, message: string, retryAfterMs?: number) {
    super(message);
    this.name = 'FanfareError';
    this.code = code;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

export const disconnected = () => new FanfareError('DISCONNECTED', 'the connection has ended');

/** For faults of handlers and storage: seen by the developer, felt by nobody. */
export function report(error: unknown): void {
  if (typeof reportError === 'function') reportError(error);
  else console.error(error);
}
