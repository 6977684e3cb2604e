// A chat's state for any user interface: conversations, messages, receipts, what is on its way.
import type { Client, ConversationSummary, Conversation as Created, FanfareError, Pending } from '../index.ts';
import { uid } from '../uid.ts';
import { Conversation, type Listed } from './conversation.ts';
import { Marks } from './marks.ts';
import { Retries } from './retries.ts';
import type { ChatSnapshot, MessagesView } from './views.ts';

export type * from './views.ts';

const PAGE = 50;
/** Conversations of a page of the list, and in all. */
const LIST = 100;
const LISTED = 10_000;
/** Conversations that are not open and whose marks are read anew after a reconnect. */
const MARKED = 20;
const NOTHING: MessagesView = { items: [], more: false, loading: false, gap: false };
/** What stands for the list among what is tried again. */
const ALL = '';
const MARKS = 'marks ';
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
  /** In which organisation: one name may be of several. */
  #owner = '';
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
      client.on('conversation:created', ({ data, epoch, at }) => {
        const conversation = this.#known(data, epoch);
        this.#within(conversation, epoch);
        conversation.happened(at);
        this.#changed();
      }),
      client.on('event:unreadable', (entry) => {
        const conversation = entry.topic.startsWith('conversation:') && this.#conversations.get(keyOf(entry.topic));
        if (!conversation) return;
        this.#within(conversation, entry.epoch);
        conversation.arrived(entry, this.#me);
        this.#changed();
      }),
      client.on('message:new', (entry) => {
        const id = entry.data.conversation_id;
        const conversation = this.#conversations.get(id);
        if (!conversation) return this.#unknown(id, entry.at);
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
          if (!conversation) (this.#ready || this.#barred) && this.#conversations.size < LISTED && void this.#list();
          // No cursor was given for it, but its log is shown: what came meanwhile is missing.
          else if (recovered === undefined && conversation.loaded && !conversation.gap && head > conversation.head) this.#gap(topic);
          // With events still to come, the number has them already.
          if (recovered === true) conversation?.counts(head, unread);
          else conversation?.stands(head, unread);
        }
        if (!more) {
          for (const marks of this.#marks) marks.retry();
          this.#remark();
        }
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
    else {
      this.#delivered.move(conversationId, conversation.head);
      if (conversation.stale) void this.#reread(conversation);
    }
  }

  /** It is shown no longer: what scrolling loaded is let go. */
  leave(conversationId: string): void {
    const waiting = this.#waiting.get(conversationId);
    if (waiting !== undefined && waiting > 1) return void this.#waiting.set(conversationId, waiting - 1);
    if (this.#waiting.delete(conversationId)) return;
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

  /** Sends a message: shown at once. Rejected where it is not sent, or where the client is closed first: then the error's `waits` is set, and the message goes with the next `connect`. */
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
    // One that was there already, and that the list has not named yet.
    if (!this.#conversations.has(id as string)) void this.#list();
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
    for (const marks of this.#marks) marks.forget();
    for (const off of this.#off) off();
    this.#listeners.clear();
  }

  /** Where the list goes on, and whether it is to be read once more. */
  #after?: string | undefined;
  #again = false;
  /** When something last happened in those that are not listed. */
  readonly #happened = new Map<string, number>();
  /** The connection that receipts come by. */
  #connection = '';
  /** Opened before the list came. */
  readonly #waiting = new Map<string, number>();

  #connected(): void {
    const { state } = this.#client;
    if (state.name !== 'open') {
      for (const marks of this.#marks) marks.hold();
      return;
    }
    const owner = `${state.organizationId}/${state.userId}`;
    if (this.#owner !== owner) {
      if (this.#owner !== '') this.#reset();
      this.#owner = owner;
      this.#me = state.userId;
    }
    if (!this.#ready) void this.#list();
    const another = this.#connection !== state.connectionId;
    this.#connection = state.connectionId;
    for (const conversation of this.#conversations.values()) {
      if (another && (conversation.loaded || conversation.waits)) conversation.stale = true;
      if (this.#wanted(conversation)) void this.#load(conversation);
    }
  }

  /** Another user, or another organisation: nothing of the one before is shown. */
  #reset(): void {
    this.#conversations.clear();
    for (const marks of this.#marks) marks.forget();
    this.#retries.stop();
    this.#ready = false;
    this.#after = undefined;
    this.#changed();
  }

  /** Receipts are told once: those of the time without a connection are read anew, first where they are shown. */
  #remark(): void {
    const stale = [...this.#conversations.values()].filter((conversation) => conversation.stale && !conversation.loading);
    const behind = stale.filter(({ open, waits }) => open === 0 && waits);
    behind.sort((a, b) => (b.view.lastAt ?? 0) - (a.view.lastAt ?? 0));
    const shown = stale.filter(({ open }) => open > 0);
    for (const conversation of [...shown, ...behind.slice(0, MARKED)]) void this.#reread(conversation);
  }

  async #reread(conversation: Conversation): Promise<void> {
    const { id, epoch } = conversation;
    const current = () => !this.#closed && this.#conversations.get(id) === conversation && conversation.epoch === epoch;
    const connection = this.#connection;
    try {
      const { marks } = await this.#client.request('message:history', { conversation_id: id, limit: 1 });
      if (!current()) return;
      conversation.remarked(marks, this.#me);
      // The connection after that one reads them again.
      conversation.stale = connection !== this.#connection;
      this.#retries.worked(MARKS + id);
      this.#changed();
    } catch (error) {
      this.#later(MARKS + id, error, () => current() && conversation.stale && void this.#reread(conversation));
    }
  }

  /** The rights no longer allow conversations: none is shown. What was open opens again where other rights do. */
  #forbidden(): void {
    for (const { id, open } of this.#conversations.values()) if (open > 0) this.#waiting.set(id, open);
    this.#reset();
    this.#barred = true;
  }

  /** Reads the list of conversations, page by page. */
  async #list(): Promise<void> {
    if (this.#closed) return;
    // What is new may stand before the page that is being read.
    if (this.#listing) return void (this.#again = true);
    this.#listing = true;
    this.#barred = false;
    try {
      do {
        // From where an attempt before has failed.
        const after = this.#after;
        this.#again &&= after !== undefined;
        const page = await this.#client.request('conversation:list', { limit: LIST, ...(after && { after }) });
        for (const summary of page.conversations as readonly Listed[]) {
          const conversation = this.#known(summary, summary.epoch);
          this.#within(conversation, summary.epoch);
          conversation.listed(summary);
        }
        this.#changed();
        this.#after = this.#conversations.size < LISTED ? page.next : undefined;
      } while (this.#after || this.#again);
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

  /** Something happened in a conversation that is not listed yet. */
  #unknown(id: string, at: number): void {
    if (this.#happened.size >= LIST) this.#happened.clear();
    this.#happened.set(id, at);
    void this.#list();
  }

  #known(about: ConversationSummary | Created, epoch: number): Conversation {
    const id = about.conversation_id;
    let conversation = this.#conversations.get(id);
    if (conversation) return conversation;
    conversation = new Conversation(about, epoch);
    this.#conversations.set(id, conversation);
    conversation.happened(this.#happened.get(id) ?? 0);
    this.#happened.delete(id);
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
      if (event !== 'message:send') continue;
      const conversation = this.#conversations.get(data.conversation_id);
      if (this.#followed.has(clientId)) conversation?.dated(clientId, since);
      if (!conversation || this.#followed.has(clientId)) continue;
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
        if (error.waits === undefined) conversation?.failed(key, error);
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
      .sort((a, b) => (b.lastAt ?? 0) - (a.lastAt ?? 0));
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
