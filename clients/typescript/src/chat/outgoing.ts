// Messages on their way: shown while they wait, also those of a page before this one.
import type { FanfareError, Pending } from '../index.ts';
import type { Board } from './board.ts';
import type { Pages } from './pages.ts';

export class Outgoing {
  readonly #board: Board;
  readonly #pages: Pages;
  /** Messages whose answer is waited for. */
  readonly #followed = new Set<string>();

  constructor(board: Board, pages: Pages) {
    this.#board = board;
    this.#pages = pages;
  }

  /** Messages that wait from before this page, or this chat, was there. */
  follow(outbox: readonly Pending[]): void {
    for (const { event, data, clientId, since } of outbox) {
      if (event !== 'message:send') continue;
      const conversation = this.#board.conversations.get(data.conversation_id);
      if (this.#followed.has(clientId)) conversation?.dated(clientId, since);
      if (!conversation || this.#followed.has(clientId)) continue;
      this.send(data.conversation_id, data.text, clientId, since).catch(() => {});
    }
  }

  send(id: string, text: string, key: string, at: number): Promise<void> {
    const { client, conversations, me } = this.#board;
    const conversation = conversations.get(id);
    this.#followed.add(key);
    conversation?.sending(key, text, at, me);
    this.#board.changed();
    const sent = client.request('message:send', { conversation_id: id, text, client_id: key });
    const done = sent.then(
      ({ topic, epoch, seq, at: stored }) => {
        const { me } = this.#board;
        const entry = { topic, epoch, seq, at: stored, by: me, client_id: key, data: { conversation_id: id, text } };
        const conversation = conversations.get(id);
        if (conversation) this.#pages.within(conversation, epoch);
        conversation?.arrived(entry, me);
      },
      (error: FanfareError) => {
        // Where the client was closed, the message waits for the next `connect`.
        if (error.waits === undefined) conversation?.failed(key, error);
        throw error;
      },
    );
    // Whoever does not ask sees it in the list.
    done.catch(() => {}).finally(() => {
      this.#followed.delete(key);
      this.#board.changed();
    });
    return done;
  }
}
