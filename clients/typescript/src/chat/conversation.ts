// One conversation: what is known of its log, who has read how far, and what is on its way.
import type { ConversationSummary, Conversation as Created, Entry, FanfareError, LogEvent, MemberMark, MessageNew } from '../index.ts';
import type { ConversationView, MessageStatus, MessagesView, MessageView } from './views.ts';

/** Messages kept of a conversation that is open, besides what scrolling loaded; and of one that is not. */
export const KEPT = { open: 500, left: 50 };

/** The newest event's time is told by newer servers alone. */
export type Listed = ConversationSummary & { readonly last_at?: number };

const EMPTY: MessagesView = { items: [], more: false, loading: false, gap: false };

export class Conversation {
  readonly id: string;
  /** Of its log. In another one a position means something else. */
  epoch: number;
  /** How many places show it. */
  open = 0;
  /** The log is known from somewhere up to its end. */
  loaded = false;
  loading = false;
  /** Why the last page could not be read. */
  error?: FanfareError | undefined;
  /** Pages asked for. What an earlier one answers after a newer one was asked for does not fit any more. */
  page = 0;
  gap = false;
  more = false;
  /** Newest position known to exist, and how far this user has read. */
  head = 0;
  read = 0;
  unread = 0;
  /** Up to where `unread` counts. Beyond `head` while events are still to come that are in that number. */
  counted = 0;
  /** Marks of others may have moved while there was no connection. */
  stale = false;
  /** When something last happened, as far as it is known. */
  #lastAt = 0;
  #about: Pick<ConversationView, 'kind' | 'title' | 'members' | 'memberCount'>;
  /** Stored messages by position, in order. */
  #stored = new Map<number, MessageView>();
  /** Messages on their way by client id, in order. */
  readonly #sending = new Map<string, MessageView>();
  readonly #marks = new Map<string, { delivered: number; read: number }>();
  #scrolled = 0;
  /** Lowest position of what was read, while that is kept. */
  #from?: number | undefined;
  #last?: MessageView | undefined;
  #view?: ConversationView | undefined;
  #messages?: MessagesView | undefined;

  constructor(about: ConversationSummary | Created, epoch: number) {
    this.id = about.conversation_id;
    this.epoch = epoch;
    this.#about = aboutOf(about);
  }

  /** What `conversation:list` says. Live events may have told more meanwhile. */
  listed(summary: Listed): void {
    this.#about = aboutOf(summary);
    this.happened(summary.last_at ?? 0);
    if (summary.head >= this.head) this.stands(summary.head, summary.unread, summary.read);
    this.#changed();
  }

  /** It has another log now: nothing that is known of the old one holds, but for what is on its way. */
  restart(epoch: number): void {
    this.epoch = epoch;
    this.head = this.read = this.unread = this.counted = 0;
    this.more = false;
    this.#last = undefined;
    this.#marks.clear();
    this.unload();
  }

  /** Where the server says that the user stands. */
  stands(head: number, unread: number, read = this.read): void {
    this.head = Math.max(this.head, head);
    this.read = Math.max(this.read, read);
    this.counts(head, unread);
  }

  /** How many the server counts up to `head`. Events up to there may still be to come. */
  counts(head: number, unread: number): void {
    // What was read here may not be told yet, and others' events alone count.
    this.unread = Math.max(0, Math.min(unread, head - this.read));
    this.counted = Math.max(this.counted, head);
    if (this.unread === 0) this.read = Math.max(this.read, head);
    this.#changed();
  }

  /** Something happened at that time. */
  happened(at: number): void {
    if (at > this.#lastAt) this.#lastAt = at;
    this.#view = undefined;
  }

  get view(): ConversationView {
    return (this.#view ??= {
      id: this.id,
      ...this.#about,
      unread: this.unread,
      ...(this.#last && { last: this.#last }),
      ...(this.#newest() && { lastAt: this.#newest() }),
    });
  }

  get messages(): MessagesView {
    if (!this.loaded && this.#sending.size === 0 && !this.loading && !this.gap && !this.error) return EMPTY;
    return (this.#messages ??= {
      items: [...this.#stored.values(), ...this.#sending.values()],
      more: this.more,
      loading: this.loading,
      gap: this.gap,
      ...(this.error && { error: this.error }),
    });
  }

  /** From where on the log is known: what stands there need not be a message. */
  get oldest(): number | undefined {
    return this.loaded ? (this.#from ?? firstKey(this.#stored)) : undefined;
  }

  /** A page is asked for. Answers which. */
  asking(): number {
    this.loading = true;
    this.#messages = undefined;
    return (this.page += 1);
  }

  /** The page that was asked for cannot be had. */
  refused(error: FanfareError): void {
    this.error = error;
    this.loading = false;
    if (!this.loaded) this.unload();
    this.trim();
    this.#changed();
  }

  /** A message, live or missed, or the place of one that cannot be read. */
  arrived(entry: Entry<MessageNew | object>, me: string): void {
    const message = this.#message(entry, me);
    // Its last line is a loaded one's, or what stands in its place in the list.
    if (!message.unreadable && (!this.#last?.seq || this.#last.seq < entry.seq)) this.#last = message;
    this.happened(entry.at);
    this.head = Math.max(this.head, entry.seq);
    if (entry.seq > this.counted) {
      this.counted = entry.seq;
      if (!message.mine && entry.seq > this.read) this.unread += 1;
    }
    // Whoever writes has read.
    if (message.mine && entry.seq > this.read) this.marked(me, 'read', entry.seq, me);
    this.#sending.delete(entry.client_id);
    // While the first page is being read, too: the page may be older than this.
    if ((this.loaded || this.loading) && !this.#stored.has(entry.seq)) {
      this.#insert([message]);
      this.trim();
    }
    this.#changed();
  }

  /** A page of history: the newest in place of everything known, or one before that. */
  paged(events: readonly LogEvent[], marks: readonly MemberMark[], head: number, more: boolean, older: boolean, me: string): void {
    for (const mark of marks) this.#mark(mark.user_id, mark);
    this.stale = false;
    const messages = events.flatMap((event) => (shows(event) ? [this.#message(event, me)] : []));
    const from = events[0]?.seq;
    for (const { client_id } of events) this.#sending.delete(client_id);
    if (!older || (from !== undefined && from < (this.#from ?? Infinity))) this.#from = from;
    if (older) this.#scrolled += messages.length;
    else if (!this.loaded || this.gap) {
      // Live messages that are newer than the page go on from it.
      for (const seq of this.#stored.keys()) if (seq <= head) this.#stored.delete(seq);
    }
    this.#insert(messages);
    this.head = Math.max(this.head, head);
    this.counted = Math.max(this.counted, this.head);
    // A page without anything is the last, or it would be asked for again and again.
    this.more = more && from !== undefined;
    this.loaded = true;
    this.error = undefined;
    this.loading = this.gap = false;
    this.happened(events.at(-1)?.at ?? 0);
    const last = messages.findLast(({ unreadable }) => !unreadable);
    if (!older && last && (this.#last?.seq ?? 0) <= (last.seq ?? 0)) this.#last = last;
    this.#restate(me);
    this.trim();
    this.#changed();
  }

  /** Messages are missing: what is shown stays until the newest page has come, whatever page was asked for before. */
  missed(): void {
    this.page += 1;
    this.loading = false;
    this.gap = true;
    this.#changed();
  }

  /** What is known is not worth keeping, or no longer contiguous. */
  unload(): void {
    this.#stored.clear();
    this.#from = undefined;
    this.#scrolled = 0;
    this.page += 1;
    this.loaded = this.loading = this.gap = false;
    this.#changed();
  }

  /** Lets go of what is neither new nor shown. Not while a page is read that goes on from there. */
  trim(): void {
    if (this.loading) return;
    if (this.open === 0) this.#scrolled = 0;
    const keep = this.open === 0 ? KEPT.left : KEPT.open + this.#scrolled;
    if (this.#stored.size <= keep) return;
    this.#stored = new Map([...this.#stored].slice(-keep));
    this.#from = undefined;
    this.more = true;
    this.#changed();
  }

  /** Somebody has messages up to `seq`, or has read them. */
  marked(user: string, what: 'delivered' | 'read', seq: number, me: string): void {
    if (user === me) {
      if (what !== 'read' || seq <= this.read) return;
      this.read = seq;
      this.unread = this.#unreadAfter(seq, me);
    } else {
      this.#mark(user, { delivered: seq, read: what === 'read' ? seq : 0 });
      this.#restate(me);
    }
    this.#changed();
  }

  /** How far the members are now. */
  remarked(marks: readonly MemberMark[], me: string): void {
    for (const mark of marks) this.#mark(mark.user_id, mark);
    this.stale = false;
    this.#restate(me);
    this.#changed();
  }

  /** Whether somebody has not read, for all that is known, what this user wrote last. */
  get waits(): boolean {
    return this.#last?.mine === true && this.#last.status !== 'read';
  }

  /** A message that waits is dated anew, as the server's clock is known. */
  dated(key: string, at: number): void {
    const message = this.#sending.get(key);
    if (!message || Math.abs(message.at - at) < 1_000) return;
    this.#sending.set(key, { ...message, at });
    this.#changed();
  }

  sending(key: string, text: string, at: number, by: string): void {
    this.#sending.set(key, { key, at, by, mine: true, text, status: 'sending' });
    this.#changed();
  }

  failed(key: string, error: FanfareError): void {
    const message = this.#sending.get(key);
    if (!message) return;
    this.#sending.set(key, { ...message, status: 'failed', error });
    this.#changed();
  }

  /** Takes a failed message off the list; answers its text. */
  discard(key: string): string | undefined {
    const message = this.#sending.get(key);
    if (message?.status !== 'failed') return undefined;
    this.#sending.delete(key);
    this.#changed();
    return message.text;
  }

  #message({ client_id, seq, at, by, data }: Entry<MessageNew | object>, me: string): MessageView {
    if (!('text' in data)) return { key: `unreadable/${seq}`, seq, at, by, mine: by === me, text: '', status: 'sent', unreadable: true };
    const mine = by === me;
    const status = mine ? this.#status(seq, me) : 'sent';
    // Another member may have chosen the same client id.
    return { key: mine ? client_id : `${by}/${client_id}`, seq, at, by, mine, text: data.text, status };
  }

  #insert(messages: readonly MessageView[]): void {
    const all = new Map(this.#stored);
    for (const message of messages) all.set(message.seq as number, message);
    const ordered = messages.every(({ seq }) => (seq as number) > (lastKey(this.#stored) ?? -1));
    this.#stored = ordered ? all : new Map([...all].sort(([a], [b]) => a - b));
  }

  #mark(user: string, { delivered, read }: { delivered: number; read: number }): void {
    const before = this.#marks.get(user) ?? { delivered: 0, read: 0 };
    const reads = Math.max(before.read, read);
    this.#marks.set(user, { delivered: Math.max(before.delivered, delivered, reads), read: reads });
  }

  #status(seq: number, me: string): MessageStatus {
    const others = [...this.#marks].filter(([user]) => user !== me).map(([, mark]) => mark);
    if (others.length < this.#about.memberCount - 1 || others.length === 0) return 'sent';
    if (others.every(({ read }) => read >= seq)) return 'read';
    return others.every(({ delivered }) => delivered >= seq) ? 'delivered' : 'sent';
  }

  #restate(me: string): void {
    for (const [seq, message] of this.#stored) {
      if (!message.mine || message.unreadable) continue;
      const status = this.#status(seq, me);
      if (status !== message.status) this.#stored.set(seq, { ...message, status });
    }
    if (this.#last?.mine && this.#last.seq) {
      const status = this.#status(this.#last.seq, me);
      if (status !== this.#last.status) this.#last = { ...this.#last, status };
    }
  }

  /** Exact where the messages are known; else nothing newer is there, or as many as before. */
  #unreadAfter(seq: number, me: string): number {
    // What is still to come counts itself.
    this.counted = Math.max(this.head, seq);
    if (seq >= this.head) return 0;
    if (!this.loaded || (this.oldest ?? Infinity) > seq) return this.unread;
    return [...this.#stored.values()].filter((message) => (message.seq ?? 0) > seq && message.by !== me).length;
  }

  /** When something last happened, or is on its way. */
  #newest(): number {
    let newest = this.#lastAt;
    for (const { at } of this.#sending.values()) newest = Math.max(newest, at);
    return newest;
  }

  #changed(): void {
    this.#view = undefined;
    this.#messages = undefined;
  }
}

function aboutOf({ kind, title, members, member_count }: ConversationSummary | Created) {
  return { kind, ...(title !== undefined && { title }), members, memberCount: member_count };
}

/** Whether it has a place among the messages. */
function shows(event: LogEvent): event is Extract<LogEvent, { event: 'message:new' | 'event:unreadable' }> {
  return event.event === 'message:new' || event.event === 'event:unreadable';
}

function firstKey(map: ReadonlyMap<number, unknown>): number | undefined {
  for (const key of map.keys()) return key;
  return undefined;
}

function lastKey(map: ReadonlyMap<number, unknown>): number | undefined {
  return [...map.keys()].at(-1);
}
