// Reads an agent's track, goes on with what comes live, and reads again what is missing: after a reconnect, after a
// failure, and where fixes come late. Apart from React and from the clock.
import { found, open, usual, type Gap } from './gaps';
import { merge, type Fix } from './track';

/** Fixes kept of one track, and of one page. */
const MOST = 12_000;
export const PAGE = 200;
/** A device's clock may be ahead, and a fix may be stored a little after younger ones. */
const AHEAD = 60_000;
const OVERLAP = 60_000;
/** Milliseconds between looks for what came late: at first after a gap was seen, and at most. */
const SOON = 2_000;
const LOOK = 30_000;
/** Gaps that were there from the start: each is read by itself, less and less often, and so many at most. */
const OLD = 8;
/** Milliseconds before a failed read is tried again, at first and at most. */
const AGAIN = 1_000;
const AGAIN_MOST = 30_000;
/** Live fixes are shown together. */
const SHOW = 1_000;
/** Answers that another attempt on this connection would not change. */
const FINAL = new Set(['FORBIDDEN', 'NOT_FOUND', 'INVALID_MESSAGE', 'CLOSED']);

export interface Source {
  /** The server's time. */
  now(): number;
  read(span: { from: number; to: number; after?: string }, signal: AbortSignal): Promise<{ fixes: readonly Fix[]; next?: string }>;
  /** Calls once after so many ms; answers how to call it off. */
  after(ms: number, then: () => void): () => void;
}

export interface Read {
  fixes: readonly Fix[];
  state: 'loading' | 'done' | 'failed';
  /** There is more than is kept: this is the newest part. */
  cut: boolean;
  /** Why the last read failed. With `done`, what was read before is shown. */
  error?: string;
}

export class TrailReader {
  #source: Source;
  #span: number;
  #show: (read: Read) => void;
  #end = new AbortController();
  #fixes: Fix[] = [];
  #cut = false;
  #state: Read['state'] = 'loading';
  #error: string | undefined;
  /** The earliest time that is to be read. */
  #wanted: number | undefined;
  /** The server's time when the last complete read began. */
  #complete: number | undefined;
  #gaps: Gap[] = [];
  #old: Gap[] = [];
  #spans: Gap[] = [];
  #oldPause = LOOK;
  #reading = false;
  #connected = false;
  #failures = 0;
  #pause = LOOK;
  #offNext = () => {};
  #offOld = () => {};
  #offShow: (() => void) | undefined;

  /** `span`: how far back the track goes, in ms. */
  constructor(source: Source, span: number, show: (read: Read) => void) {
    this.#source = source;
    this.#span = span;
    this.#show = show;
  }

  /** A connection is open, a new one perhaps: what came meanwhile is missing. */
  connected(): void {
    this.#connected = true;
    this.#look();
  }

  disconnected(): void {
    this.#connected = false;
    this.#offNext();
    this.#offOld();
  }

  /** Tries again now. */
  retry(): void {
    if (this.#state === 'failed') this.#state = 'loading';
    this.#tell();
    if (this.#connected) this.#look();
  }

  /** The agent's newest fix, which need not be of a later time: a device's clock may be set back. */
  live(fix: Fix): void {
    if (fix.time < this.#source.now() - this.#span) return;
    const before = this.#fixes.at(-1);
    if (before && fix.time - before.time > usual(this.#fixes)) {
      this.#gaps.push({ from: before.time, to: fix.time, since: this.#source.now() });
      this.#pause = SOON;
      this.#next(SOON);
    }
    this.#add([fix]);
    this.#offShow ??= this.#source.after(SHOW, () => {
      this.#offShow = undefined;
      this.#tell();
    });
  }

  close(): void {
    this.#end.abort();
    this.#offNext();
    this.#offOld();
    this.#offShow?.();
  }

  #look(): void {
    this.#failures = 0;
    this.#oldPause = LOOK;
    this.#later();
    this.#want(this.#missing());
    void this.#run();
  }

  #want(from: number): void {
    this.#wanted = Math.min(this.#wanted ?? Infinity, from);
  }

  /** From where on fixes may be missing. */
  #missing(): number {
    const start = this.#source.now() - this.#span;
    const newest = this.#fixes.at(-1)?.time;
    if (this.#complete === undefined || newest === undefined) return start;
    const tail = Math.min(this.#complete, newest) - OVERLAP;
    return Math.max(start, Math.min(tail, ...this.#gaps.map(({ from }) => from)));
  }

  async #run(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    this.#offNext();
    while ((this.#wanted !== undefined || this.#spans.length > 0) && !this.#end.signal.aborted) {
      const from = this.#wanted;
      this.#wanted = undefined;
      try {
        if (from === undefined) await this.#fill(this.#spans.shift()!);
        else await this.#read(from);
      } catch (error) {
        if (!this.#end.signal.aborted) this.#failed(error);
        break;
      }
    }
    this.#reading = false;
  }

  async #read(from: number): Promise<void> {
    const began = this.#source.now();
    const first = this.#complete === undefined;
    let begun = false;
    try {
      await this.#pages(from, began + AHEAD, () => { begun = true; });
    } catch (error) {
      // Pages come in order of time: what was read is not read again.
      this.#want(begun ? Math.max(from, (this.#fixes.at(-1)?.time ?? from) - OVERLAP) : from);
      throw error;
    }
    if (this.#end.signal.aborted) return;
    this.#complete = began;
    if (first) {
      this.#old = found(this.#fixes, began, OLD);
      this.#later();
    }
    this.#failures = 0;
    this.#error = undefined;
    this.#state = 'done';
    const start = this.#source.now() - this.#span - OVERLAP;
    if (this.#fixes[0] && this.#fixes[0].time < start) this.#fixes = this.#fixes.filter(({ time }) => time >= start);
    this.#gaps = open(this.#gaps, this.#fixes, this.#source.now());
    this.#pause = this.#gaps.length > 0 ? Math.min(LOOK, this.#pause * 2) : LOOK;
    this.#next(this.#pause);
    this.#tell();
  }

  async #fill({ from, to }: Gap): Promise<void> {
    const { length } = this.#fixes;
    await this.#pages(from, to);
    if (this.#fixes.length > length) this.#tell();
  }

  async #pages(from: number, to: number, got = () => {}): Promise<void> {
    let after: string | undefined;
    for (let page = 0; ; page++) {
      const span = { from: Math.floor(from), to: Math.ceil(to), ...(after !== undefined && { after }) };
      const { fixes, next } = await this.#source.read(span, this.#end.signal);
      if (this.#end.signal.aborted) return;
      got();
      this.#add(fixes);
      after = next;
      if (after === undefined) return;
      if (page % 8 === 0) this.#tell();
    }
  }

  /** Looks into the gaps that were there from the start, if any are left. */
  #later(): void {
    this.#offOld();
    this.#old = open(this.#old, this.#fixes, this.#source.now());
    if (this.#old.length === 0 || !this.#connected) return;
    this.#offOld = this.#source.after(this.#oldPause, () => {
      this.#spans = [...this.#old];
      this.#oldPause *= 2;
      void this.#run().then(() => this.#later());
    });
  }

  #failed(error: unknown): void {
    const { code, retryAfterMs = 0 } = error as { code?: string; retryAfterMs?: number };
    // The next connection leads on.
    if (code === 'DISCONNECTED') return this.#next(AGAIN);
    this.#error = error instanceof Error ? error.message : String(error);
    this.#state = this.#complete === undefined ? 'failed' : 'done';
    this.#tell();
    if (code !== undefined && FINAL.has(code)) return;
    this.#next(Math.max(retryAfterMs, Math.min(AGAIN_MOST, AGAIN * 2 ** this.#failures++)));
  }

  #next(ms: number): void {
    this.#offNext();
    if (!this.#connected) return;
    this.#offNext = this.#source.after(ms, () => {
      this.#want(this.#missing());
      void this.#run();
    });
  }

  #add(more: readonly Fix[]): void {
    this.#fixes = merge(this.#fixes, more);
    if (this.#fixes.length <= MOST) return;
    this.#fixes = this.#fixes.slice(-MOST);
    this.#cut = true;
  }

  #tell(): void {
    if (this.#end.signal.aborted) return;
    this.#show({ fixes: this.#fixes, state: this.#state, cut: this.#cut, ...(this.#error !== undefined && { error: this.#error }) });
  }
}
