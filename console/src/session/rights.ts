// What one may do, as the server says it, roles of its configuration included: only to leave out what would be refused
// anyway. The server decides.
import type { Client } from 'fanfare-client';
import { Emitter } from '../lib/emitter';

/** Pause before the server is asked again, where it did not say. */
const AGAIN = 5_000;

type Ask = (token: string) => Promise<readonly string[]>;

export class Rights {
  /** Names of actions. Absent until the server has said it. */
  may: ReadonlySet<string> | undefined;
  /** The server was asked and did not say. */
  unanswered = false;
  #asked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #changes = new Emitter<void>();
  #off: () => void;

  onChange = this.#changes.on;

  /** Asks with each connection, and each newer token on one. */
  constructor(client: Client, token: () => string | undefined, private ask: Ask = asked) {
    this.#off = client.on('state', (state) => {
      this.#stop();
      if (state.name === 'open') void this.#learn(token);
    });
  }

  close(): void {
    this.#off();
    this.#stop();
  }

  #stop(): void {
    this.#asked++;
    clearTimeout(this.#timer);
  }

  async #learn(token: () => string | undefined): Promise<void> {
    const asked = this.#asked;
    const may = await this.ask(token() ?? '').catch(() => undefined);
    if (asked !== this.#asked) return;
    if (!may) {
      this.unanswered = true;
      this.#changes.emit();
      this.#timer = setTimeout(() => void this.#learn(token), AGAIN);
      return;
    }
    this.may = new Set(may);
    this.#changes.emit();
  }
}

async function asked(token: string): Promise<readonly string[]> {
  const answer = await fetch('api/v1/me', { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return ((await answer.json()) as { may: readonly string[] }).may;
}
