// Every marker in columns: doubles for sums on this side, one interleaved array of floats for the graphics card. Adding,
// moving and removing cost the same for 5 or 5,000 agents; nothing is allocated per movement.
import { mercator, shortest, type Point } from '../../lib/geo';
import { duration, interval, JUMP, progress, turn } from './motion';

/** Floats of one marker: from x y, to x y, start, duration, heading from, heading to, time of the fix, moving. */
export const STRIDE = 10;

/** Heading of a marker that has none. */
export const NO_HEADING = -100;

/** Metres a second from which an agent counts as driving, so that it has a direction. */
const DRIVING = 0.5;

export interface Fix {
  time: number;
  lat: number;
  lon: number;
  speed?: number | undefined;
  heading?: number | undefined;
}

/** Doubles of one marker: from x y, to x y, start, duration, interval, time of the fix. */
const WIDTH = 8;
const [FROM_X, FROM_Y, TO_X, TO_Y, START, DURATION, INTERVAL, TIME] = [0, 1, 2, 3, 4, 5, 6, 7] as const;

export class Columns {
  /** What the card reads. Replaced when it grows. */
  floats = new Float32Array(64 * STRIDE);
  /** Agent ids, by row. */
  readonly ids: string[] = [];
  /** Grows with each change of `floats`. */
  version = 0;
  /** Until when something moves, in seconds. */
  busyUntil = 0;

  #doubles = new Float64Array(64 * WIDTH);
  #headings = new Float32Array(64 * 2);
  #rows = new Map<string, number>();
  #origin: Point = { x: 0.5, y: 0.5 };
  #epoch: number | undefined;

  /** `animate`: false makes every movement a jump. */
  constructor(public animate = true) {}

  /** Seconds since 1970 from which times of fixes count: floats hold small numbers only. That of the first fix. */
  get epoch(): number {
    return this.#epoch ?? 0;
  }

  get size(): number {
    return this.ids.length;
  }

  /** Floats are relative to this point, so that they are exact near it. */
  get origin(): Point {
    return this.#origin;
  }

  /** Sets an agent's newest fix. `now` is in seconds. */
  set(id: string, fix: Fix, now: number): void {
    const to = mercator(fix.lat, fix.lon);
    const known = this.#rows.get(id);
    const row = known ?? this.#add(id);
    const d = this.#doubles;
    const at = row * WIDTH;
    const time = fix.time / 1000;
    this.#epoch ??= Math.floor(time);
    const driving = fix.heading !== undefined && (fix.speed === undefined || fix.speed >= DRIVING);
    const heading = driving ? (fix.heading! * Math.PI) / 180 : NO_HEADING;

    let from = to;
    let lasts = 0;
    let since = d[at + INTERVAL]!;
    let headingFrom = heading;
    if (known !== undefined) {
      const shown = this.#shown(row, now);
      since = interval(since, now - d[at + START]!);
      if (this.animate && Math.hypot(shortest(to.x - shown.x), to.y - shown.y) < JUMP) {
        from = shown;
        lasts = duration(since);
      }
      const before = this.#headingAt(row, now);
      if (before > NO_HEADING && driving && lasts > 0) headingFrom = before;
    }
    d[at + FROM_X] = from.x;
    d[at + FROM_Y] = from.y;
    d[at + TO_X] = to.x;
    d[at + TO_Y] = to.y;
    d[at + START] = now;
    d[at + DURATION] = lasts;
    d[at + INTERVAL] = since;
    d[at + TIME] = time;
    this.#headings[row * 2] = headingFrom;
    this.#headings[row * 2 + 1] = driving ? headingFrom + (headingFrom > NO_HEADING ? turn(headingFrom, heading) : 0) : NO_HEADING;
    this.busyUntil = Math.max(this.busyUntil, now + lasts);
    this.#write(row);
    this.version++;
  }

  remove(id: string): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    this.#rows.delete(id);
    const last = this.ids.length - 1;
    const moved = this.ids.pop()!;
    // The last one takes the free row.
    if (row !== last) {
      this.ids[row] = moved;
      this.#rows.set(moved, row);
      this.#doubles.copyWithin(row * WIDTH, last * WIDTH, (last + 1) * WIDTH);
      this.#headings.copyWithin(row * 2, last * 2, (last + 1) * 2);
      this.#write(row);
    }
    this.version++;
  }

  clear(): void {
    this.ids.length = 0;
    this.#rows.clear();
    this.version++;
  }

  row(id: string): number | undefined {
    return this.#rows.get(id);
  }

  /** Where a marker is shown. */
  at(id: string, now: number): Point | undefined {
    const row = this.#rows.get(id);
    return row === undefined ? undefined : this.#shown(row, now);
  }

  /** The marker nearest to a point, within a radius in units of the world. */
  nearest(point: Point, radius: number, now: number): string | undefined {
    let best = radius * radius;
    let found: string | undefined;
    for (let row = 0; row < this.ids.length; row++) {
      const shown = this.#shown(row, now);
      const dx = shortest(shown.x - point.x);
      const dy = shown.y - point.y;
      const d2 = dx * dx + dy * dy;
      if (d2 <= best) {
        best = d2;
        found = this.ids[row];
      }
    }
    return found;
  }

  /** Calls with every marker's newest place. */
  each(visit: (id: string, x: number, y: number) => void): void {
    for (let row = 0; row < this.ids.length; row++) {
      visit(this.ids[row]!, this.#doubles[row * WIDTH + TO_X]!, this.#doubles[row * WIDTH + TO_Y]!);
    }
  }

  /** Makes floats relative to another point. */
  rebase(origin: Point): void {
    this.#origin = origin;
    for (let row = 0; row < this.ids.length; row++) this.#write(row);
    this.version++;
  }

  #add(id: string): number {
    const row = this.ids.length;
    this.ids.push(id);
    this.#rows.set(id, row);
    if ((row + 1) * STRIDE > this.floats.length) this.#grow();
    this.#doubles.fill(0, row * WIDTH, (row + 1) * WIDTH);
    return row;
  }

  #grow(): void {
    const rows = (this.floats.length / STRIDE) * 2;
    const floats = new Float32Array(rows * STRIDE);
    const doubles = new Float64Array(rows * WIDTH);
    const headings = new Float32Array(rows * 2);
    floats.set(this.floats);
    doubles.set(this.#doubles);
    headings.set(this.#headings);
    this.floats = floats;
    this.#doubles = doubles;
    this.#headings = headings;
  }

  #shown(row: number, now: number): Point {
    const d = this.#doubles;
    const at = row * WIDTH;
    const k = progress(d[at + START]!, d[at + DURATION]!, now);
    return {
      x: d[at + FROM_X]! + shortest(d[at + TO_X]! - d[at + FROM_X]!) * k,
      y: d[at + FROM_Y]! + (d[at + TO_Y]! - d[at + FROM_Y]!) * k,
    };
  }

  #headingAt(row: number, now: number): number {
    const from = this.#headings[row * 2]!;
    const to = this.#headings[row * 2 + 1]!;
    if (to <= NO_HEADING) return NO_HEADING;
    const at = row * WIDTH;
    // Markers turn sooner than they arrive: see the shader.
    const k = Math.min(1, 3 * progress(this.#doubles[at + START]!, this.#doubles[at + DURATION]!, now));
    return from + (to - from) * k;
  }

  #write(row: number): void {
    const d = this.#doubles;
    const at = row * WIDTH;
    const f = this.floats;
    const to = row * STRIDE;
    const { x, y } = this.#origin;
    const fromX = shortest(d[at + FROM_X]! - x);
    f[to] = fromX;
    f[to + 1] = d[at + FROM_Y]! - y;
    f[to + 2] = fromX + shortest(d[at + TO_X]! - d[at + FROM_X]!);
    f[to + 3] = d[at + TO_Y]! - y;
    f[to + 4] = d[at + START]!;
    f[to + 5] = d[at + DURATION]!;
    f[to + 6] = this.#headings[row * 2]!;
    f[to + 7] = this.#headings[row * 2 + 1]!;
    f[to + 8] = d[at + TIME]! - this.epoch;
    f[to + 9] = this.#headings[row * 2 + 1]! > NO_HEADING ? 1 : 0;
  }
}
