// Tells the server how far a person has read, where that is not to the end. One request is under way at a time, and the
// newest mark waits; what a lost connection took goes again with the next one.
import type { Client } from 'fanfare-client';

export class ReadMark {
  #wanted = 0;
  #told = 0;
  #flying = false;
  readonly #off: () => void;

  constructor(private readonly client: Client, private readonly conversation: string) {
    this.#off = client.on('state', ({ name }) => {
      // Another connection may bring another log, in which positions mean something else: the page says anew what it shows.
      if (name !== 'open') this.#wanted = this.#told = 0;
    });
  }

  move(seq: number): void {
    if (seq <= Math.max(this.#wanted, this.#told)) return;
    this.#wanted = seq;
    this.#tell();
  }

  close(): void {
    this.#off();
  }

  #tell(): void {
    const seq = this.#wanted;
    if (this.#flying || seq <= this.#told || this.client.state.name !== 'open') return;
    this.#flying = true;
    this.client
      .request('message:read', { conversation_id: this.conversation, seq })
      .then(() => { if (this.#wanted >= seq) this.#told = Math.max(this.#told, seq); }, () => { if (this.#wanted === seq) this.#wanted = this.#told; })
      .finally(() => {
        this.#flying = false;
        this.#tell();
      });
  }
}
