import { within, type Clock } from './clock.ts';
import { FanfareError } from './error.ts';
import type { Token, TokenReason } from './types.ts';

const PATIENCE = 15_000;

/** As it is sent: programs that print tokens end them with a new line. */
function checked(text: string): string {
  const token = text.trim();
  if (token === '') throw new FanfareError('AUTH_FAILED', 'the token is empty');
  if (/\s/.test(token)) throw new FanfareError('AUTH_FAILED', 'the token has white space in it');
  return token;
}

/** The token in use, and how to get the next. */
export class Tokens {
  readonly #source: Token;
  readonly #clock: Clock;
  #token?: string;
  #reason: TokenReason = 'connect';

  constructor(source: Token, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** Whether there can be another one. */
  get renewable(): boolean {
    return typeof this.#source === 'function';
  }

  /** The token in use, or a new one where there is none. */
  async get(): Promise<string> {
    return (this.#token ??= await this.ask(this.#reason));
  }

  /** A new one. */
  async ask(reason: TokenReason): Promise<string> {
    const source = this.#source;
    if (typeof source === 'string') return checked(source);
    const answer = Promise.resolve(source({ reason }));
    const token = await within(this.#clock, PATIENCE, answer, 'the token callback did not answer');
    if (typeof token !== 'string') throw new FanfareError('AUTH_FAILED', 'the token callback answered no text');
    return checked(token);
  }

  use(token: string): void {
    this.#token = token;
    this.#reason = 'connect';
  }

  /** The token in use is worth nothing any more. */
  spoil(): void {
    if (!this.renewable) return;
    this.#token = undefined as never;
    this.#reason = 'expired';
  }
}
