// Reads what conversations hold: the newest page of those that are shown, older ones as somebody scrolls, receipts anew.
import type { FanfareError } from '../index.ts';
import type { Board } from './board.ts';
import type { Conversation } from './conversation.ts';

const PAGE = 50;
/** Conversations that are not open and whose marks are read anew after a reconnect. */
const MARKED = 20;
/** What stands for a conversation's marks among what is tried again. */
const MARKS = 'marks ';

export class Pages {
  readonly #board: Board;
  /** Opened before the list came: how often. */
  readonly #waiting = new Map<string, number>();

  constructor(board: Board) {
    this.#board = board;
  }

  open(id: string): void {
    const conversation = this.#board.conversations.get(id);
    if (!conversation) return void this.#waiting.set(id, (this.#waiting.get(id) ?? 0) + 1);
    conversation.open += 1;
    if (this.wanted(conversation)) void this.load(conversation);
    else {
      this.#board.delivered.move(id, conversation.head);
      if (conversation.stale) void this.#reread(conversation);
    }
  }

  leave(id: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined && waiting > 1) return void this.#waiting.set(id, waiting - 1);
    if (this.#waiting.delete(id)) return;
    const conversation = this.#board.conversations.get(id);
    if (!conversation || conversation.open === 0) return;
    conversation.open -= 1;
    conversation.trim();
    this.#board.changed();
  }

  /** It is known now: where it was opened before, it opens. */
  appeared(id: string): void {
    const waiting = this.#waiting.get(id) ?? 0;
    this.#waiting.delete(id);
    for (let i = 0; i < waiting; i += 1) this.open(id);
  }

  /** What is open opens again where it appears again. */
  suspend(): void {
    for (const { id, open } of this.#board.conversations.values()) if (open > 0) this.#waiting.set(id, open);
  }

  /** Whether its newest page is still to be read. */
  wanted({ id, open, loaded, gap }: Conversation): boolean {
    return this.#board.conversations.has(id) && open > 0 && (!loaded || gap);
  }

  async load(conversation: Conversation, before?: number): Promise<void> {
    const { client, closed, delivered, retries } = this.#board;
    if (conversation.loading || closed) return;
    const asked = conversation.asking();
    this.#board.changed();
    const { id } = conversation;
    try {
      const page = { conversation_id: id, limit: PAGE, ...(before !== undefined && { before }) };
      const { events, marks, head, more } = await client.request('message:history', page);
      if (asked !== conversation.page) return;
      if (events[0]) this.within(conversation, events[0].epoch);
      if (asked !== conversation.page) return;
      conversation.paged(events, marks, head, more, before !== undefined, this.#board.me);
      retries.worked(id);
      if (before === undefined) delivered.move(id, head);
    } catch (error) {
      if (asked !== conversation.page) return;
      conversation.refused(error as FanfareError);
      // What scrolling asked for is asked again by scrolling.
      if (before === undefined) this.#board.later(id, error, () => this.wanted(conversation) && void this.load(conversation));
    }
    this.#board.changed();
  }

  /** Something of it is missing. */
  gap(conversation: Conversation | undefined): void {
    if (!conversation?.loaded) return;
    if (conversation.open === 0) conversation.unload();
    else {
      conversation.missed();
      void this.load(conversation);
    }
    this.#board.changed();
  }

  /** Another epoch, or a log that was rolled back, is another log. */
  within(conversation: Conversation, epoch: number, back = false): void {
    if (epoch === conversation.epoch && !back) return;
    conversation.restart(epoch);
    for (const marks of this.#board.marks) marks.forget(conversation.id);
    if (this.wanted(conversation)) void this.load(conversation);
    this.#board.changed();
  }

  /** Receipts are told once: those of the time without a connection are read anew, first where they are shown. */
  remark(): void {
    const stale = [...this.#board.conversations.values()].filter((conversation) => conversation.stale && !conversation.loading);
    const behind = stale.filter(({ open, waits }) => open === 0 && waits);
    behind.sort((a, b) => (b.view.lastAt ?? 0) - (a.view.lastAt ?? 0));
    const shown = stale.filter(({ open }) => open > 0);
    for (const conversation of [...shown, ...behind.slice(0, MARKED)]) void this.#reread(conversation);
  }

  async #reread(conversation: Conversation): Promise<void> {
    const { id, epoch } = conversation;
    const { client, connection, conversations, retries } = this.#board;
    const current = () => !this.#board.closed && conversations.get(id) === conversation && conversation.epoch === epoch;
    try {
      const { marks } = await client.request('message:history', { conversation_id: id, limit: 1 });
      if (!current()) return;
      conversation.remarked(marks, this.#board.me);
      // The connection after that one reads them again.
      conversation.stale = connection !== this.#board.connection;
      retries.worked(MARKS + id);
      this.#board.changed();
    } catch (error) {
      this.#board.later(MARKS + id, error, () => current() && conversation.stale && void this.#reread(conversation));
    }
  }
}
