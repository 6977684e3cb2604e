// What must outlive the page: device id, cursors, outbox. Each tab of a browser is a device of its own.
import { within, type Clock } from './clock.ts';
import { report } from './error.ts';
import type { Cursor } from './generated.ts';
import { claim, hold, SLOTS, type Slot } from './slots.ts';
import { memoryStore, type KeyValue } from './store.ts';
import type { Kind } from './transport.ts';
import type { Pending } from './types.ts';
import { uid } from './uid.ts';
import { Writer } from './writer.ts';

/** How long a store may take at the start before the client goes on without it. */
const PATIENCE = 1_500;
/** A store that could not be read is read again so much later. */
const AGAIN = 5_000;
/** Cursors are written at most so often. */
const PAUSE = 500;

interface Place {
  readonly owner?: string | undefined;
  readonly device?: string;
  readonly cursors?: readonly Cursor[];
}

interface Host {
  cursors(): readonly Cursor[];
  outbox(): readonly Pending[];
  /** What is kept is known: before `opened`, or late. */
  known(late: boolean): void;
  /** Takes what a closed tab of this user has left behind, if there is room for it. */
  adopt(outbox: readonly Pending[]): boolean;
}

export class Kept {
  owner?: string | undefined;
  device = uid();
  cursors: readonly Cursor[] = [];
  outbox: readonly Pending[] = [];
  /** Which transport won last, on whatever tab. */
  transport?: Kind | undefined;
  /** All is known, or the client must go on without it for now. */
  readonly opened: Promise<void>;
  readonly #clock: Clock;
  readonly #base: string;
  readonly #host: Host;
  /** Of the locks. With the store's: tabs with different stores do not share their slots. */
  readonly #name: string;
  readonly #place: Writer;
  readonly #waiting: Writer;
  #store: KeyValue;
  #slot?: Slot | undefined;
  #state: 'unread' | 'known' | 'adopted' | 'closed' = 'unread';
  #late = false;
  /** Something was said of the store: once is enough. */
  #said = false;
  #cancel = () => {};

  constructor(store: KeyValue | undefined, base: string, clock: Clock, host: Host) {
    this.#store = store ?? memoryStore();
    this.#said = store === undefined;
    this.#base = base;
    this.#clock = clock;
    this.#host = host;
    this.#name = `fanfare:${store?.name ?? ''}:${base}`;
    const place = (): Place => ({ owner: this.owner, device: this.device, cursors: host.cursors() });
    this.#place = new Writer(clock, PAUSE, () => this.#store.set(this.#key('place'), place()));
    this.#waiting = new Writer(clock, 0, () => this.#store.set(this.#key('outbox'), host.outbox()));
    // No fault of the page's: it goes on, and what is kept comes later.
    this.opened = this.#open().catch((error: unknown) => this.#say(error));
  }

  /** A cursor has moved: written soon. */
  moved(): void {
    this.#place.soon();
  }

  /** The outbox has changed: written at once. */
  waits(): void {
    this.#waiting.soon();
  }

  worked(transport: Kind | undefined): void {
    if (!transport || transport === this.transport) return;
    this.transport = transport;
    this.#store.set(`${this.#base}transport`, transport).catch(report);
  }

  /** A user is here. Answers whether it was another one's before; the caller flushes. */
  greeted(owner: string): boolean {
    if (this.owner === owner) return false;
    const other = this.owner !== undefined;
    if (other) this.device = uid();
    this.owner = owner;
    this.moved();
    return other;
  }

  flush(): void {
    this.#place.flush();
    this.#waiting.flush();
  }

  close(): void {
    this.#state = 'closed';
    this.#cancel();
    this.#place.stop();
    this.#waiting.stop();
    this.#slot?.release();
  }

  /** Takes over, once, what the owner wrote in tabs that are closed now: nobody else may ever open so many again. */
  async adopt(): Promise<void> {
    if (this.#state !== 'known') return;
    this.#state = 'adopted';
    for (let slot = 0; slot < SLOTS; slot += 1) {
      if (slot === this.#slot?.slot || !(await this.#left(slot))) continue;
      const release = await hold(this.#name, slot);
      if (!release) continue;
      try {
        // Only now nobody writes there.
        const left = await this.#left(slot);
        if (this.#state !== 'adopted') return;
        if (!left || !this.#host.adopt(left)) continue;
        // In this order: a page that dies between them has it twice, and the server takes it once.
        await this.#store.set(this.#key('outbox'), this.#host.outbox());
        await this.#store.delete(this.#key('outbox', slot));
      } finally {
        release();
      }
    }
  }

  /** What this user has left behind in a slot. */
  async #left(slot: number): Promise<readonly Pending[] | undefined> {
    const outbox = await this.#store.get(this.#key('outbox', slot));
    if (!Array.isArray(outbox) || outbox.length === 0) return undefined;
    const place = (await this.#store.get(this.#key('place', slot))) as Place | undefined;
    return place?.owner === this.owner ? outbox : undefined;
  }

  /** This place cannot keep anything: it goes with the page. */
  #forget(why: unknown): void {
    this.#store = memoryStore();
    this.#say(why, 'nothing is kept for the next page:');
  }

  #say(why: unknown, what = 'the store cannot be read yet:'): void {
    if (!this.#said) console.warn(`Fanfare: ${what}`, why);
    this.#said = true;
  }

  #key(what: string, slot = this.#slot?.slot ?? 0): string {
    return `${this.#base}#${slot}:${what}`;
  }

  /** Takes a slot that no other tab has, and reads what is kept there. */
  async #open(): Promise<void> {
    this.#slot = await claim(this.#name).catch(() => undefined);
    if (this.#state === 'closed') return this.#slot?.release();
    // Without a slot nothing is kept: nobody would find it, and another tab's must not be touched.
    if (!this.#slot) this.#forget('Web Locks are missing (is this page secure?), blocked, or all taken');
    const read = within(this.#clock, PATIENCE, this.#read(), 'the store does not answer');
    await read.finally(() => (this.#late = true));
  }

  /** Reads until it succeeds. Nothing is written before: it would take the place of what is not known yet. */
  async #read(): Promise<void> {
    const get = (key: string) => this.#store.get(key);
    try {
      const [place, outbox, transport] = await Promise.all([
        get(this.#key('place')) as Promise<Place | undefined>,
        get(this.#key('outbox')),
        get(`${this.#base}transport`),
      ]);
      if (this.#state !== 'unread') return;
      this.transport ??= transport as Kind | undefined;
      // Where it comes late, another user may be here already.
      const owner = this.owner ?? place?.owner;
      if (owner === (place?.owner ?? owner)) {
        this.owner = owner;
        this.device = place?.device ?? this.device;
        if (Array.isArray(place?.cursors)) this.cursors = place.cursors;
        if (Array.isArray(outbox)) this.outbox = outbox;
      }
      this.#state = 'known';
      this.#host.known(this.#late);
    } catch (error) {
      if ((error as Error | undefined)?.name === 'SecurityError') {
        this.#forget(error);
        return this.#read();
      }
      this.#say(error);
      if (this.#state === 'unread') this.#cancel = this.#clock.after(AGAIN, () => void this.#read());
    }
    if (this.#state !== 'known') return;
    // The outbox first, and always: what another user left in it must not be found beside this one's name.
    this.#waiting.soon();
    this.#waiting.start();
    this.#place.start();
  }
}
