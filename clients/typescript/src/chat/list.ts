// The list of conversations: read page by page, and once more where something new may stand before the page that is read.
import type { ConversationSummary, Conversation as Created, FanfareError } from '../index.ts';
import type { Board } from './board.ts';
import { Conversation, type Listed } from './conversation.ts';
import type { Pages } from './pages.ts';

/** Conversations of a page, and in all. */
const LIST = 100;
const LISTED = 10_000;
/** What stands for the list among what is tried again. */
const ALL = '';

export class List {
  readonly #board: Board;
  readonly #pages: Pages;
  /** It was read as far as it could be. */
  readonly #done: () => void;
  #reading = false;
  /** Where it goes on, and whether it is to be read once more. */
  #after?: string | undefined;
  #again = false;
  /** The rights do not allow to list conversations: other ones may. */
  #barred = false;
  /** When something last happened in those that are not listed. */
  readonly #happened = new Map<string, number>();

  constructor(board: Board, pages: Pages, done: () => void) {
    this.#board = board;
    this.#pages = pages;
    this.#done = done;
  }

  async read(): Promise<void> {
    const { client, conversations, retries } = this.#board;
    if (this.#board.closed) return;
    // What is new may stand before the page that is being read.
    if (this.#reading) return void (this.#again = true);
    this.#reading = true;
    this.#barred = false;
    try {
      do {
        // From where an attempt before has failed.
        const after = this.#after;
        this.#again &&= after !== undefined;
        const page = await client.request('conversation:list', { limit: LIST, ...(after && { after }) });
        for (const summary of page.conversations as readonly Listed[]) {
          const conversation = this.known(summary, summary.epoch);
          this.#pages.within(conversation, summary.epoch);
          conversation.listed(summary);
        }
        this.#board.changed();
        this.#after = conversations.size < LISTED ? page.next : undefined;
      } while (this.#after || this.#again);
      this.#board.ready = true;
      retries.worked(ALL);
      this.#board.changed();
    } catch (error) {
      this.#barred = (error as FanfareError).code === 'UNAUTHORIZED';
      this.#board.later(ALL, error, () => void this.read());
    } finally {
      this.#reading = false;
    }
    this.#done();
  }

  /** A topic is told of that is not listed: once the list is read, it is new. */
  missing(): void {
    if ((this.#board.ready || this.#barred) && this.#board.conversations.size < LISTED) void this.read();
  }

  /** Something happened in a conversation that is not listed yet. */
  unknown(id: string, at: number): void {
    if (this.#happened.size >= LIST) this.#happened.clear();
    this.#happened.set(id, at);
    void this.read();
  }

  known(about: ConversationSummary | Created, epoch: number): Conversation {
    const { conversations } = this.#board;
    const id = about.conversation_id;
    let conversation = conversations.get(id);
    if (conversation) return conversation;
    conversation = new Conversation(about, epoch);
    conversations.set(id, conversation);
    conversation.happened(this.#happened.get(id) ?? 0);
    this.#happened.delete(id);
    this.#pages.appeared(id);
    return conversation;
  }

  /** Nothing is known any more. */
  reset(): void {
    this.#board.clear();
    this.#after = undefined;
  }

  /** The rights no longer allow conversations: none is shown. What was open opens again where other rights do. */
  forbidden(): void {
    this.#pages.suspend();
    this.reset();
    this.#barred = true;
  }
}
