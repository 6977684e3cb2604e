// A chat's state for any user interface: conversations, messages, receipts, what is on its way.
import type { Client, ConversationSummary, Conversation as Created, FanfareError, Pending } from '../index.ts';
import { uid } from '../uid.ts';
import { Conversation } from './conversation.ts';
import { Marks } from './marks.ts';
import { Retries } from './retries.ts';
import type { ChatSnapshot, MessagesView } from './views.ts';

export type * from './views.ts';

const PAGE = 50;
const LIST = 20;
const NOTHING: MessagesView = { items: [], more: false, loading: false, gap: false };
/** What stands for the list among what is tried again. */
const ALL = '';
const NOBODY: readonly string[] = [];

export class Chat {
  readonly #client: Client;
  readonly #conversations = new Map<string, Conversation>();
  readonly #listeners = new Set<() => void>();
  readonly #off: (() => void)[];
  readonly #delivered: Marks;
  readonly #read: Marks;
  readonly #marks: readonly Marks[];
  readonly #retries = new Retries();
  /** Messages whose answer is waited for. */
  readonly #followed = new Set<string>();
  #me = '';
  #ready = false;
  #listing = false;
  /** The rights do not allow to list conversations: other ones may. */
  #barred = false;
  #snapshot?: ChatSnapshot | undefined;
  #told = true;
  #closed = false;

  constructor(client: Client) {
    this.#client = client;
    this.#delivered = new Marks(client, 'message:received');
    this.#read = new Marks(client, 'message:read');
    this.#marks = [this.#delivered, this.#read];
    this.#off = [
      client.on('state', () => this.#connected()),
      client.on('outbox', (outbox) => this.#follow(outbox)),
      client.on('conversation:created', ({ data, epoch }) => {
        this.#within(this.#known(data, epoch), epoch);
        this.#changed();
      }),
      client.on('message:new', (entry) => {
        const id = entry.data.conversation_id;
        const conversation = this.#conversations.get(id);
        if (!conversation) return void this.#list();
        this.#within(conversation, entry.epoch);
        conversation.arrived(entry, this.#me);
        if (entry.by !== this.#me) this.#delivered.move(id, entry.seq);
        this.#changed();
      }),
      client.on('message:delivered', ({ conversation_id, user_id, seq }) => {
        this.#marked(conversation_id, user_id, 'delivered', seq);
      }),
      client.on('message:read', ({ conversation_id, user_id, seq }) => {
        this.#marked(conversation_id, user_id, 'read', seq);
      }),
      client.on('gap', ({ topic }) => this.#gap(topic)),
      client.on('topics', ({ topics, more }) => {
        for (const { topic, epoch, head, unread, recovered } of topics) {
          if (!topic.startsWith('conversation:')) continue;
          const conversation = this.#conversations.get(keyOf(topic));
          if (conversation) this.#within(conversation, epoch, recovered === false && head < conversation.head);
          if (!conversation) (this.#ready || this.#barred) && void this.#list();
          // No cursor was given for it, but its log is shown: what came meanwhile is missing.
          else if (recovered === undefined && conversation.loaded && !conversation.gap && head > conversation.head) this.#gap(topic);
          // With events still to come, they count themselves.
          if (conversation && recovered !== true) conversation.stands(head, unread);
        }
        if (!more) for (const marks of this.#marks) marks.retry();
        this.#changed();
      }),
      client.on('topics:ended', ({ kinds }) => {
        if (kinds.includes('conversation')) this.#forbidden();
      }),
    ];
    this.#connected();
    this.#follow(client.outbox);
  }

  get snapshot(): ChatSnapshot {
    return (this.#snapshot ??= this.#look());
  }

  /** Calls `listener` after each change. Answers how to stop. */
  subscribe(listener: () => void): () => void {
    const entry = () => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Shows a conversation: its newest page is read. Each `open` needs its `leave`. */
  open(conversationId: string): void {
    const conversation = this.#conversations.get(conversationId);
    if (!conversation) return void this.#waiting.set(conversationId, (this.#waiting.get(conversationId) ?? 0) + 1);
    conversation.open += 1;
    if (this.#wanted(conversation)) void this.#load(conversation);
    else this.#delivered.move(conversationId, conversation.head);
  }

  /** It is shown no longer: what scrolling loaded is let go. */
  leave(conversationId: string): void {
    const waiting = this.#waiting.get(conversationId);
    if (waiting !== undefined) return void this.#waiting.set(conversationId, Math.max(0, waiting - 1));
    const conversation = this.#conversations.get(conversationId);
    if (!conversation || conversation.open === 0) return;
    conversation.open -= 1;
    conversation.trim();
    this.#changed();
  }

  messages(conversationId: string): MessagesView {
    return this.#conversations.get(conversationId)?.messages ?? NOTHING;
  }

  /** Reads the page before the oldest message. */
  async older(conversationId: string): Promise<void> {
    const conversation = this.#conversations.get(conversationId);
    if (!conversation?.loaded || conversation.loading || !conversation.more) return;
    await this.#load(conversation, conversation.oldest);
  }

  /** Sends a message: shown at once, and rejected only if it will never be sent. */
  send(conversationId: string, text: string): Promise<void> {
    return this.#send(conversationId, text, uid(), this.#client.now());
  }

  /** Sends a failed message again, as a new one. */
  retry(conversationId: string, key: string): Promise<void> {
    const text = this.#conversations.get(conversationId)?.discard(key);
    return text === undefined ? Promise.resolve() : this.send(conversationId, text);
  }

  /** Takes a failed message off the list. */
  discard(conversationId: string, key: string): void {
    this.#conversations.get(conversationId)?.discard(key);
    this.#changed();
  }

  async create(about: { kind: 'private' | 'group'; members: string[]; title?: string }): Promise<string> {
    const { conversation_id: id } = await this.#client.request('conversation:create', about);
    return id as string;
  }

  /** The user has read everything that is there. Call it only while the page is looked at. */
  read(conversationId: string): void {
    const conversation = this.#conversations.get(conversationId);
    if (!conversation || (conversation.unread === 0 && conversation.read >= conversation.head)) return;
    conversation.marked(this.#me, 'read', conversation.head, this.#me);
    this.#read.move(conversationId, conversation.head);
    this.#changed();
  }

  /** Who is writing. The server does not tell yet. */
  typing(_conversationId: string): readonly string[] {
    return NOBODY;
  }

  close(): void {
    this.#closed = true;
    this.#retries.stop();
    for (const off of this.#off) off();
    this.#listeners.clear();
  }

  /** Opened before the list came. */
  readonly #waiting = new Map<string, number>();

  #connected(): void {
    const { state } = this.#client;
    if (state.name !== 'open') {
      for (const marks of this.#marks) marks.hold();
      return;
    }
    if (this.#me !== state.userId) {
      if (this.#me !== '') this.#reset();
      this.#me = state.userId;
    }
    if (!this.#ready) void this.#list();
    for (const conversation of this.#conversations.values()) {
      if (this.#wanted(conversation)) void this.#load(conversation);
    }
  }

  /** Another user: nothing of the one before is shown. */
  #reset(): void {
    this.#conversations.clear();
    for (const marks of this.#marks) marks.forget();
    this.#retries.stop();
    this.#ready = false;
    this.#changed();
  }

  /** The rights no longer allow conversations: none is shown. What was open opens again where other rights do. */
  #forbidden(): void {
    for (const { id, open } of this.#conversations.values()) if (open > 0) this.#waiting.set(id, open);
    this.#reset();
    this.#barred = true;
  }

  /** Reads the list of conversations, page by page. */
  async #list(): Promise<void> {
    if (this.#listing || this.#closed) return;
    this.#listing = true;
    this.#barred = false;
    try {
      for (let after: string | undefined; ; ) {
        const page = await this.#client.request('conversation:list', { limit: LIST, ...(after && { after }) });
        for (const summary of page.conversations) {
          const conversation = this.#known(summary, summary.epoch);
          this.#within(conversation, summary.epoch);
          conversation.listed(summary);
        }
        this.#changed();
        after = page.next;
        if (!after) break;
      }
      this.#ready = true;
      this.#retries.worked(ALL);
      this.#changed();
    } catch (error) {
      this.#barred = (error as FanfareError).code === 'UNAUTHORIZED';
      this.#later(ALL, error, () => void this.#list());
    } finally {
      this.#listing = false;
    }
    this.#follow(this.#client.outbox);
  }

  async #load(conversation: Conversation, before?: number): Promise<void> {
    if (conversation.loading || this.#closed) return;
    const asked = conversation.asking();
    this.#changed();
    const { id } = conversation;
    try {
      const page = { conversation_id: id, limit: PAGE, ...(before !== undefined && { before }) };
      const { events, marks, head, more } = await this.#client.request('message:history', page);
      if (asked !== conversation.page) return;
      if (events[0]) this.#within(conversation, events[0].epoch);
      if (asked !== conversation.page) return;
      conversation.paged(events, marks, head, more, before !== undefined, this.#me);
      this.#retries.worked(id);
      if (before === undefined) this.#delivered.move(id, head);
    } catch (error) {
      if (asked !== conversation.page) return;
      conversation.refused(error as FanfareError);
      // What scrolling asked for is asked again by scrolling.
      if (before === undefined) this.#later(id, error, () => this.#wanted(conversation) && void this.#load(conversation));
    }
    this.#changed();
  }

  /** Whether its newest page is still to be read. */
  #wanted({ id, open, loaded, gap }: Conversation): boolean {
    return this.#conversations.has(id) && open > 0 && (!loaded || gap);
  }

  /** Tries again where waiting helps; after a lost connection the next one does. */
  #later(what: string, error: unknown, again: () => void): void {
    if (!this.#closed) this.#retries.later(what, error as FanfareError, again);
  }

  #gap(topic: string): void {
    const conversation = this.#conversations.get(keyOf(topic));
    if (!conversation?.loaded) return;
    if (conversation.open === 0) conversation.unload();
    else {
      conversation.missed();
      void this.#load(conversation);
    }
    this.#changed();
  }

  /** Another epoch, or a log that was rolled back, is another log. */
  #within(conversation: Conversation, epoch: number, back = false): void {
    if (epoch === conversation.epoch && !back) return;
    conversation.restart(epoch);
    for (const marks of this.#marks) marks.forget(conversation.id);
    if (this.#wanted(conversation)) void this.#load(conversation);
    this.#changed();
  }

  #known(about: ConversationSummary | Created, epoch: number): Conversation {
    const id = about.conversation_id;
    let conversation = this.#conversations.get(id);
    if (conversation) return conversation;
    conversation = new Conversation(about, epoch);
    this.#conversations.set(id, conversation);
    const waiting = this.#waiting.get(id) ?? 0;
    this.#waiting.delete(id);
    for (let i = 0; i < waiting; i += 1) this.open(id);
    return conversation;
  }

  #marked(id: string, user: string, what: 'delivered' | 'read', seq: number): void {
    this.#conversations.get(id)?.marked(user, what, seq, this.#me);
    this.#changed();
  }

  /** Messages that wait from before this page, or this chat, was there. */
  #follow(outbox: readonly Pending[]): void {
    for (const { event, data, clientId, since } of outbox) {
      if (event !== 'message:send' || this.#followed.has(clientId)) continue;
      if (!this.#conversations.has(data.conversation_id)) continue;
      this.#send(data.conversation_id, data.text, clientId, since).catch(() => {});
    }
  }

  #send(id: string, text: string, key: string, at: number): Promise<void> {
    const conversation = this.#conversations.get(id);
    this.#followed.add(key);
    conversation?.sending(key, text, at, this.#me);
    this.#changed();
    const sent = this.#client.request('message:send', { conversation_id: id, text, client_id: key });
    const done = sent.then(
      ({ topic, epoch, seq, at: stored }) => {
        const entry = { topic, epoch, seq, at: stored, by: this.#me, client_id: key, data: { conversation_id: id, text } };
        const conversation = this.#conversations.get(id);
        if (conversation) this.#within(conversation, epoch);
        conversation?.arrived(entry, this.#me);
      },
      (error: FanfareError) => {
        // The client was closed; the message waits for the next `connect`.
        if (!this.#client.outbox.some((pending) => pending.clientId === key)) conversation?.failed(key, error);
        throw error;
      },
    );
    // Whoever does not ask sees it in the list.
    done.catch(() => {}).finally(() => {
      this.#followed.delete(key);
      this.#changed();
    });
    return done;
  }

  #look(): ChatSnapshot {
    const conversations = [...this.#conversations.values()]
      .map((conversation) => conversation.view)
      .sort((a, b) => (b.last?.at ?? 0) - (a.last?.at ?? 0));
    const totalUnread = conversations.reduce((sum, { unread }) => sum + unread, 0);
    return { conversations, ready: this.#ready, totalUnread };
  }

  /** Tells once for all that happens in one go. */
  #changed(): void {
    this.#snapshot = undefined;
    if (!this.#told) return;
    this.#told = false;
    queueMicrotask(() => {
      this.#told = true;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}

function keyOf(topic: string): string {
  return topic.slice(topic.indexOf(':') + 1);
}
