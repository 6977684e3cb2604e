// What must outlive the page: device id, cursors, outbox. Each tab of a browser is a device of its own.
import { within, type Clock } from './clock.ts';
import { report } from './error.ts';
import type { Cursor } from './generated.ts';
import { memoryStore, type KeyValue } from './store.ts';
import type { Kind } from './transport.ts';
import type { Pending } from './types.ts';
import { uid } from './uid.ts';

/** How long a store may take at the start before the client goes on without it. */
const PATIENCE = 1_500;
/** Cursors are written at most so often. */
const PAUSE = 500;
const SLOTS = 32;

interface Place {
  readonly owner?: string;
  readonly device?: string;
  readonly cursors?: readonly Cursor[];
}

export class Kept {
  owner?: string;
  device = uid();
  cursors: readonly Cursor[] = [];
  outbox: readonly Pending[] = [];
  /** Which transport won last, on whatever tab. */
  transport?: Kind;
  readonly #store: KeyValue;
  readonly #base: string;
  readonly #prefix: string;
  readonly #release: () => void;
  readonly #place: Writer;
  readonly #waiting: Writer;

  private constructor(store: KeyValue, base: string, slot: number, clock: Clock, release: () => void, sources: Sources) {
    this.#store = store;
    this.#base = base;
    const prefix = `${base}#${slot}`;
    this.#prefix = prefix;
    this.#release = release;
    const place = (): Place => ({
      ...(this.owner !== undefined && { owner: this.owner }),
      device: this.device,
      cursors: sources.cursors(),
    });
    this.#place = new Writer(clock, PAUSE, () => store.set(`${prefix}:place`, place()));
    this.#waiting = new Writer(clock, 0, () => store.set(`${prefix}:outbox`, sources.outbox()));
  }

  /** Takes a slot that no other tab has, and reads what is kept there. */
  static async open(store: KeyValue, base: string, clock: Clock, sources: Sources): Promise<Kept> {
    const place = await claim(base).catch(() => undefined);
    // Without a slot nothing is kept: nobody would find it, and another tab's must not be touched.
    const kept = new Kept(place ? store : memoryStore(), base, place?.slot ?? 0, clock, place?.release ?? (() => {}), sources);
    try {
      await within(clock, PATIENCE, kept.#read(), () => new Error('the store does not answer'));
    } catch (error) {
      report(error);
    }
    return kept;
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

  /** Another user is here: nothing of the one before is left. */
  forget(owner: string): void {
    this.owner = owner;
    this.device = uid();
  }

  flush(): void {
    this.#place.flush();
    this.#waiting.flush();
  }

  close(): void {
    this.flush();
    this.#release();
  }

  async #read(): Promise<void> {
    const [place, outbox, transport] = await Promise.all([
      this.#store.get(`${this.#prefix}:place`) as Promise<Place | undefined>,
      this.#store.get(`${this.#prefix}:outbox`),
      this.#store.get(`${this.#base}transport`),
    ]);
    if (transport === 'websocket' || transport === 'webtransport') this.transport = transport;
    if (typeof place?.device === 'string') this.device = place.device;
    if (typeof place?.owner === 'string') this.owner = place.owner;
    if (Array.isArray(place?.cursors)) this.cursors = place.cursors;
    if (Array.isArray(outbox)) this.outbox = outbox;
  }
}

interface Sources {
  cursors(): readonly Cursor[];
  outbox(): readonly Pending[];
}

/** Writes the newest value, one write at a time. */
class Writer {
  #dirty = false;
  #writing = 0;
  #cancel?: () => void;
  readonly #clock: Clock;
  readonly #pause: number;
  readonly #write: () => Promise<void>;

  constructor(clock: Clock, pause: number, write: () => Promise<void>) {
    this.#clock = clock;
    this.#pause = pause;
    this.#write = write;
  }

  soon(): void {
    if (this.#dirty) return;
    this.#dirty = true;
    if (this.#pause === 0) this.#writing > 0 || this.flush();
    else this.#cancel = this.#clock.after(this.#pause, () => this.flush());
  }

  /** Writes what is not written, even beside a write that has not ended: there may be no later. */
  flush(): void {
    if (!this.#dirty) return;
    this.#cancel?.();
    this.#dirty = false;
    this.#writing += 1;
    this.#write()
      .catch(report)
      .finally(() => {
        this.#writing -= 1;
        if (this.#dirty && this.#pause === 0 && this.#writing === 0) this.flush();
      });
  }
}

interface Slot {
  readonly slot: number;
  release(): void;
}

/** Slots that are let go just now: whoever comes next in this page waits for them. */
const releasing = new Set<Promise<unknown>>();

/**
 * The first free slot, held by a lock as long as the page lives; a tab that reloads gets its own back. None where pages
 * cannot lock (those that are not secure), or all are taken. Programs that are no pages have one each.
 */
async function claim(base: string): Promise<Slot | undefined> {
  const locks = globalThis.navigator?.locks;
  if (!locks) return typeof document === 'undefined' ? { slot: 0, release() {} } : undefined;
  await Promise.all(releasing);
  const name = `fanfare:${base}`;
  const before = Number(globalThis.sessionStorage?.getItem(name) ?? 0);
  const others = Array.from({ length: SLOTS }, (_, slot) => slot).filter((slot) => slot !== before);
  for (const slot of [before, ...others]) {
    const release = await hold(locks, `${name}#${slot}`);
    if (!release) continue;
    globalThis.sessionStorage?.setItem(name, String(slot));
    return { slot, release };
  }
  return undefined;
}

function hold(locks: LockManager, name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    const held: Promise<unknown> = locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (!lock) return resolve(undefined);
        return new Promise<void>((free) =>
          resolve(() => {
            releasing.add(held);
            free();
          }),
        );
      })
      .catch(() => resolve(undefined))
      .finally(() => releasing.delete(held));
  });
}
