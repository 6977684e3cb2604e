import type { Client, FanfareError } from '../index.ts';
import { Retries } from './retries.ts';

/** A mark that was not taken for these may be taken later. */
const PASSING = ['DISCONNECTED', 'CLOSED', 'TIMEOUT', 'OUTBOX_FULL', 'UNAVAILABLE', 'RATE_LIMIT_EXCEEDED', 'INTERNAL_ERROR'];

/** Tells the server how far this device is. Of one conversation one request is under way, and the newest mark waits. */
export class Marks {
  readonly #client: Client;
  readonly #event: 'message:received' | 'message:read';
  readonly #wanted = new Map<string, number>();
  readonly #told = new Map<string, number>();
  readonly #flying = new Set<string>();
  /** Refused for now, on a connection that stays. */
  readonly #retries = new Retries();
  #held = false;

  constructor(client: Client, event: 'message:received' | 'message:read') {
    this.#client = client;
    this.#event = event;
  }

  move(conversation: string, seq: number): void {
    if (seq <= Math.max(this.#wanted.get(conversation) ?? 0, this.#told.get(conversation) ?? 0)) return;
    this.#wanted.set(conversation, seq);
    this.#tell(conversation);
  }

  /** The connection is gone. With the next one a log may be another, in which a mark would count for what nobody has seen. */
  hold(): void {
    this.#held = true;
  }

  /** Of a log that is no more, or of all. */
  forget(conversation?: string): void {
    if (conversation === undefined) this.#retries.stop();
    else this.#retries.worked(conversation);
    for (const known of [this.#wanted, this.#told]) {
      if (conversation === undefined) known.clear();
      else known.delete(conversation);
    }
  }

  /** It is known which logs there are: what was not told goes now. */
  retry(): void {
    this.#held = false;
    this.#retries.stop();
    for (const conversation of this.#wanted.keys()) this.#tell(conversation);
  }

  #tell(conversation: string): void {
    const seq = this.#wanted.get(conversation);
    const busy = this.#flying.has(conversation) || this.#retries.waits(conversation);
    if (seq === undefined || this.#held || busy || this.#client.state.name !== 'open') return;
    this.#flying.add(conversation);
    const done = () => {
      this.#retries.worked(conversation);
      // Forgotten meanwhile.
      if ((this.#wanted.get(conversation) ?? 0) < seq) return;
      this.#told.set(conversation, seq);
      if (this.#wanted.get(conversation) === seq) this.#wanted.delete(conversation);
    };
    this.#client
      .request(this.#event, { conversation_id: conversation, seq })
      // Refused, it would be refused again; for now, it goes when waiting has helped; with its connection gone, by the next.
      .then(done, (error: FanfareError) => {
        if (this.#client.state.name !== 'open') return;
        if (!PASSING.includes(error.code)) done();
        else if (this.#wanted.has(conversation)) this.#retries.later(conversation, error, () => this.#tell(conversation));
      })
      .finally(() => {
        this.#flying.delete(conversation);
        if ((this.#wanted.get(conversation) ?? seq) !== seq) this.#tell(conversation);
      });
  }
}
