// A chat's state for any user interface: conversations, messages, receipts, what is on its way.
import type { Client } from '../index.ts';
import { uid } from '../uid.ts';
import { Board } from './board.ts';
import type { Conversation } from './conversation.ts';
import { List } from './list.ts';
import { Outgoing } from './outgoing.ts';
import { Pages } from './pages.ts';
import type { ChatSnapshot, MessagesView } from './views.ts';

export type * from './views.ts';

const NOTHING: MessagesView = { items: [], more: false, loading: false, gap: false };
const NOBODY: readonly string[] = [];

export class Chat {
  readonly #client: Client;
  readonly #board: Board;
  readonly #pages: Pages;
  readonly #list: List;
  readonly #outgoing: Outgoing;
  readonly #off: (() => void)[];
  /** Whose chat it is. In another organisation one name is somebody else's. */
  #owner = '';

  constructor(client: Client) {
    this.#client = client;
    this.#board = new Board(client);
    this.#pages = new Pages(this.#board);
    this.#outgoing = new Outgoing(this.#board, this.#pages);
    this.#list = new List(this.#board, this.#pages, () => this.#outgoing.follow(client.outbox));
    this.#off = this.#listen();
    this.#connected();
    this.#outgoing.follow(client.outbox);
  }

  get snapshot(): ChatSnapshot {
    return this.#board.snapshot;
  }

  /** Calls `listener` after each change. Answers how to stop. */
  subscribe(listener: () => void): () => void {
    return this.#board.subscribe(listener);
  }

  /** Shows a conversation: its newest page is read. Each `open` needs its `leave`. */
  open(conversationId: string): void {
    this.#pages.open(conversationId);
  }

  /** It is shown no longer: what scrolling loaded is let go. */
  leave(conversationId: string): void {
    this.#pages.leave(conversationId);
  }

  messages(conversationId: string): MessagesView {
    return this.#of(conversationId)?.messages ?? NOTHING;
  }

  /** Reads the page before the oldest message. */
  async older(conversationId: string): Promise<void> {
    const conversation = this.#of(conversationId);
    if (!conversation?.loaded || conversation.loading || !conversation.more) return;
    await this.#pages.load(conversation, conversation.oldest);
  }

  /**
   * Sends a message: shown at once. Rejected where it will not be sent; and where the client is closed before that: then the
   * error's `waits` is set, and the message goes with the next `connect`.
   */
  send(conversationId: string, text: string): Promise<void> {
    return this.#outgoing.send(conversationId, text, uid(), this.#client.now());
  }

  /** Sends a failed message again, as a new one. */
  retry(conversationId: string, key: string): Promise<void> {
    const text = this.#of(conversationId)?.discard(key);
    return text === undefined ? Promise.resolve() : this.send(conversationId, text);
  }

  /** Takes a failed message off the list. */
  discard(conversationId: string, key: string): void {
    this.#of(conversationId)?.discard(key);
    this.#board.changed();
  }

  /** Makes a conversation, or finds the private one that there is. With the same `client_id` it is made once, however often it is asked for. */
  async create(about: { kind: 'private' | 'group'; members: string[]; title?: string; client_id?: string }): Promise<string> {
    const { conversation_id: id } = await this.#client.request('conversation:create', about);
    // One that was there already, and that the list has not named yet.
    if (!this.#of(id as string)) void this.#list.read();
    return id as string;
  }

  /** The user has read everything that is there. Call it only while the page is looked at. */
  read(conversationId: string): void {
    const conversation = this.#of(conversationId);
    if (!conversation || (conversation.unread === 0 && conversation.read >= conversation.head)) return;
    const { me } = this.#board;
    conversation.marked(me, 'read', conversation.head, me);
    this.#board.read.move(conversationId, conversation.head);
    this.#board.changed();
  }

  /** Who is writing. The server does not tell yet. */
  typing(_conversationId: string): readonly string[] {
    return NOBODY;
  }

  close(): void {
    for (const off of this.#off) off();
    this.#board.close();
  }

  #of(id: string): Conversation | undefined {
    return this.#board.conversations.get(id);
  }

  #listen(): (() => void)[] {
    const client = this.#client;
    return [
      client.on('state', () => this.#connected()),
      client.on('outbox', (outbox) => this.#outgoing.follow(outbox)),
      client.on('conversation:created', ({ data, epoch, at }) => {
        const conversation = this.#list.known(data, epoch);
        this.#pages.within(conversation, epoch);
        conversation.happened(at);
        this.#board.changed();
      }),
      client.on('message:new', (entry) => {
        const id = entry.data.conversation_id;
        const { delivered, me } = this.#board;
        if (!this.#arrived(id, entry)) this.#list.unknown(id, entry.at);
        else if (entry.by !== me) delivered.move(id, entry.seq);
      }),
      client.on('event:unreadable', (entry) => void (entry.topic.startsWith('conversation:') && this.#arrived(keyOf(entry.topic), entry))),
      client.on('message:delivered', ({ conversation_id, user_id, seq }) => {
        this.#marked(conversation_id, user_id, 'delivered', seq);
      }),
      client.on('message:read', ({ conversation_id, user_id, seq }) => {
        this.#marked(conversation_id, user_id, 'read', seq);
      }),
      client.on('gap', ({ topic }) => this.#pages.gap(this.#of(keyOf(topic)))),
      client.on('topics', ({ topics, more }) => {
        for (const { topic, epoch, head, unread, recovered } of topics) {
          if (!topic.startsWith('conversation:')) continue;
          const conversation = this.#of(keyOf(topic));
          if (!conversation) {
            this.#list.missing();
            continue;
          }
          this.#pages.within(conversation, epoch, recovered === false && head < conversation.head);
          // No cursor was given for it, but its log is shown: what came meanwhile is missing.
          if (recovered === undefined && !conversation.gap && head > conversation.head) this.#pages.gap(conversation);
          // With events still to come, the number has them already.
          if (recovered === true) conversation.counts(head, unread);
          else conversation.stands(head, unread);
        }
        if (!more) {
          for (const marks of this.#board.marks) marks.retry();
          this.#pages.remark();
        }
        this.#board.changed();
      }),
      client.on('topics:ended', ({ kinds }) => {
        if (kinds.includes('conversation')) this.#list.forbidden();
      }),
    ];
  }

  /** Answers whether its conversation is known. */
  #arrived(id: string, entry: Parameters<Conversation['arrived']>[0]): boolean {
    const conversation = this.#of(id);
    if (!conversation) return false;
    this.#pages.within(conversation, entry.epoch);
    conversation.arrived(entry, this.#board.me);
    this.#board.changed();
    return true;
  }

  #marked(id: string, user: string, what: 'delivered' | 'read', seq: number): void {
    this.#of(id)?.marked(user, what, seq, this.#board.me);
    this.#board.changed();
  }

  #connected(): void {
    const { state } = this.#client;
    const board = this.#board;
    if (state.name !== 'open') {
      for (const marks of board.marks) marks.hold();
      return;
    }
    const owner = `${state.organizationId}/${state.userId}`;
    if (this.#owner !== owner) {
      // Nothing of the one before is shown.
      if (this.#owner !== '') this.#list.reset();
      this.#owner = owner;
      board.me = state.userId;
    }
    if (!board.ready) void this.#list.read();
    const another = board.connection !== state.connectionId;
    board.connection = state.connectionId;
    for (const conversation of board.conversations.values()) {
      if (another && (conversation.loaded || conversation.waits)) conversation.stale = true;
      if (this.#pages.wanted(conversation)) void this.#pages.load(conversation);
    }
  }
}

function keyOf(topic: string): string {
  return topic.slice(topic.indexOf(':') + 1);
}
