// Where this device stands in its topics (proto/README.md, "Authenticate and resume").
import { LIMITS, URGENT_KINDS, type Cursor, type LogEntry, type TopicName, type TopicState } from './generated.ts';
import type { Lane } from './transport.ts';

/** Topics remembered at most. Of an older one an event may come twice. */
const LIMIT = 1000;

export class Cursors {
  /** The topic that moved last stands last. */
  readonly #at = new Map<TopicName, Cursor>();
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

  load(cursors: readonly Cursor[]): void {
    for (const cursor of [...cursors].reverse()) this.#set(cursor);
  }

  /** The newest, newest first. */
  list(): Cursor[] {
    return [...this.#at.values()].reverse().slice(0, LIMITS.cursors);
  }

  /** Whether an event was seen already. */
  seen({ topic, epoch, seq }: LogEntry): boolean {
    const at = this.#at.get(topic);
    return at !== undefined && at.epoch === epoch && at.seq >= seq;
  }

  /** An event was dealt with. */
  passed({ topic, epoch, seq }: LogEntry): void {
    this.#heard.set(topic, epoch);
    this.#set({ topic, epoch, seq });
  }

  /** What `topics` says of one. */
  resumed({ topic, epoch, seq, head }: TopicState): void {
    if (this.#heard.get(topic) === epoch) return;
    const at = this.#at.get(topic);
    // After a change of transport the old connection has brought us further than the new one knows.
    if (at && at.epoch === epoch && at.seq > seq && at.seq <= head) return;
    this.#set({ topic, epoch, seq });
  }

  /** `pos` of a `server:ping`: forward, and only for topics of the lane on which it came. */
  moved(pos: readonly Cursor[], lane: Lane): void {
    for (const { topic, epoch, seq } of pos) {
      const urgent = (URGENT_KINDS as readonly string[]).includes(topic.split(':', 1)[0] ?? '');
      if (lane !== 'both' && (lane === 'urgent') !== urgent) continue;
      const at = this.#at.get(topic);
      if (!at || at.epoch !== epoch || at.seq < seq) this.#set({ topic, epoch, seq });
    }
  }

  #set(cursor: Cursor): void {
    this.#at.delete(cursor.topic);
    this.#at.set(cursor.topic, cursor);
    if (this.#at.size <= LIMIT) return;
    for (const oldest of this.#at.keys()) return void this.#at.delete(oldest);
  }
}
