// What the parts of a chat share: the conversations, whose they are, and who is told of changes.
import type { Client, FanfareError } from '../index.ts';
import type { Conversation } from './conversation.ts';
import { Marks } from './marks.ts';
import { Retries } from './retries.ts';
import type { ChatSnapshot } from './views.ts';

export class Board {
  readonly client: Client;
  readonly conversations = new Map<string, Conversation>();
  readonly delivered: Marks;
  readonly read: Marks;
  readonly marks: readonly Marks[];
  readonly retries = new Retries();
  me = '';
  /** The connection that receipts come by. */
  connection = '';
  /** The list is complete. */
  ready = false;
  closed = false;
  readonly #listeners = new Set<() => void>();
  #snapshot?: ChatSnapshot | undefined;
  #told = true;

  constructor(client: Client) {
    this.client = client;
    this.delivered = new Marks(client, 'message:received');
    this.read = new Marks(client, 'message:read');
    this.marks = [this.delivered, this.read];
  }

  get snapshot(): ChatSnapshot {
    return (this.#snapshot ??= this.#look());
  }

  subscribe(listener: () => void): () => void {
    const entry = () => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Tells once for all that happens in one go. */
  changed(): void {
    this.#snapshot = undefined;
    if (!this.#told) return;
    this.#told = false;
    queueMicrotask(() => {
      this.#told = true;
      for (const listener of [...this.#listeners]) listener();
    });
  }

  /** Tries again where waiting helps; after a lost connection the next one does. */
  later(what: string, error: unknown, again: () => void): void {
    if (!this.closed) this.retries.later(what, error as FanfareError, again);
  }

  /** Nothing is known, and nothing is tried again. */
  clear(): void {
    this.conversations.clear();
    for (const marks of this.marks) marks.forget();
    this.retries.stop();
    this.ready = false;
    this.changed();
  }

  close(): void {
    this.closed = true;
    this.retries.stop();
    for (const marks of this.marks) marks.forget();
    this.#listeners.clear();
  }

  #look(): ChatSnapshot {
    const conversations = [...this.conversations.values()]
      .map((conversation) => conversation.view)
      .sort((a, b) => (b.lastAt ?? 0) - (a.lastAt ?? 0));
    const totalUnread = conversations.reduce((sum, { unread }) => sum + unread, 0);
    return { conversations, ready: this.ready, totalUnread };
  }
}
