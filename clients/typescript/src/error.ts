import type { ErrorCode } from './generated.ts';

/** What a request is rejected with. Codes of a later server are passed on as they are. */
export type Code = ErrorCode | 'TIMEOUT' | 'DISCONNECTED' | 'CLOSED' | 'OUTBOX_FULL' | 'NO_TRANSPORT' | (string & {});

export class FanfareError extends Error {
  readonly code: Code;
  /** Where waiting helps. */
  readonly retryAfterMs?: number;
  /**
   * The `client_id` of a durable request that has not failed: nobody tells its answer any more, but it stays in the outbox and
   * goes with the next `connect` of its user. Ask again with this id to hear of it; with another one it would be done twice.
   */
  readonly waits?: string;

  constructor(code: Code, message: string, retryAfterMs?: number, waits?: string) {
    super(message);
    this.name = 'FanfareError';
    this.code = code;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
    if (waits !== undefined) this.waits = waits;
  }
}

export const disconnected = () => new FanfareError('DISCONNECTED', 'the connection has ended');

/** For faults of handlers and storage: seen by the developer, felt by nobody. */
export function report(error: unknown): void {
  if (typeof reportError === 'function') reportError(error);
  else console.error(error);
}
