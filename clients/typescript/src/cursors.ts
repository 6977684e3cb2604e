// Where this device stands in its topics (proto/README.md, "Authenticate and resume").
import { LIMITS, URGENT_KINDS, type Cursor, type LogEntry, type TopicName, type TopicState } from './generated.ts';
import type { Lane } from './transport.ts';

/** Topics remembered at most. Of an older one an event may come twice. */
const LIMIT = 1000;
/** Topics that everyone has: told first and never forgotten, however many conversations there are. */
const COMMON = /^(urgent_)?notice:/;

export class Cursors {
  /** The higher the rank, the later it moved; 0 where only `topics` has named it. */
  readonly #at = new Map<TopicName, { readonly cursor: Cursor; readonly rank: number }>();
  #moves = 0;
  /** Topics of which an event has come on this connection. */
  readonly #heard = new Map<TopicName, number>();

  /** A new connection has begun. */
  begin(): void {
    this.#heard.clear();
  }

  clear(): void {
    this.#at.clear();
    this.#heard.clear();
  }

  /** Takes what was kept, where nothing newer is known. Answers the topics in which this page began elsewhere. */
  load(cursors: readonly Cursor[]): TopicName[] {
    const passed: TopicName[] = [];
    for (const cursor of [...cursors].reverse()) {
      const at = this.#get(cursor.topic);
      if (!at) this.#set(cursor);
      else if (at.epoch !== cursor.epoch || at.seq > cursor.seq) passed.push(cursor.topic);
    }
    return passed;
  }

  /** All, newest first. */
  list(): Cursor[] {
    return [...this.#at.values()].sort((a, b) => b.rank - a.rank).map(({ cursor }) => cursor);
  }

  /** Those that are told to the server. */
  told(): Cursor[] {
    return this.list().slice(0, LIMITS.cursors);
  }

  /** Whether an event was seen already. */
  seen({ topic, epoch, seq }: LogEntry): boolean {
    const at = this.#get(topic);
    return at?.epoch === epoch && at.seq >= seq;
  }

  /** An event was dealt with. */
  passed({ topic, epoch, seq }: LogEntry): void {
    this.#heard.set(topic, epoch);
    this.#set({ topic, epoch, seq });
  }

  /** What `topics` says of one. Answers whether events are missing between where we stood and where it goes on. */
  resumed({ topic, epoch, seq, head, recovered }: TopicState): boolean {
    const at = this.#get(topic);
    // An urgent event has overtaken this, or before a change of transport the old connection has brought us further
    // than the new one knows.
    const ahead = at?.epoch === epoch && at.seq >= seq;
    // A log that was rolled back is told as one that could not be resumed: then even ours is too far.
    const stays = ahead && (recovered !== false || at.seq <= head || this.#heard.get(topic) === epoch);
    if (!stays) this.#set({ topic, epoch, seq }, false);
    // Only so many cursors are told: of the others we must see for ourselves.
    return !(recovered ?? (!at || ahead));
  }

  /** `pos` of a `server:ping`: forward, and only for topics of the lane on which it came. */
  moved(pos: readonly Cursor[], lane: Lane): void {
    for (const { topic, epoch, seq } of pos) {
      const urgent = (URGENT_KINDS as readonly string[]).includes(topic.split(':', 1)[0] ?? '');
      if (lane !== 'both' && (lane === 'urgent') !== urgent) continue;
      const at = this.#get(topic);
      if (at?.epoch !== epoch || at.seq < seq) this.#set({ topic, epoch, seq });
    }
  }

  #get(topic: TopicName): Cursor | undefined {
    return this.#at.get(topic)?.cursor;
  }

  #set(cursor: Cursor, moves = true): void {
    const { topic } = cursor;
    const before = this.#at.get(topic);
    // `topics` names all, in an order of its own: it must neither push out nor overtake what moves.
    if (!moves && !before && this.#at.size >= LIMIT) return;
    const rank = COMMON.test(topic) ? 2 ** 53 : moves ? (this.#moves += 1) : (before?.rank ?? 0);
    this.#at.set(topic, { cursor, rank });
    const oldest = this.#at.size > LIMIT && this.list().at(-1);
    if (oldest) this.#at.delete(oldest.topic);
  }
}
