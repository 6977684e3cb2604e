// Packets of fixes for the server, for an agent in a browser: `for (const p of packFixes(fixes)) client.sendPacket(p)`.
import { LIMITS, type JsonFix } from './generated.ts';

/** A value that may be unknown. Platforms have many words for that: `null`, `NaN`, -1. */
type Maybe = number | null | undefined;

/** A fix as platforms give it. */
export type AnyFix = Pick<JsonFix, 'counter' | 'time' | 'lat' | 'lon'> & {
  readonly [K in 'accuracy' | 'speed' | 'heading' | 'battery']?: Maybe;
};

/** A fix that cannot be sent, as it was given, and why. */
export type LeftOut = (fix: AnyFix, why: RangeError) => void;

/**
 * Packs fixes, into as few packets as hold them. An optional value that cannot be is left out as unknown. A fix without
 * a place, a time or a counter is left out; `leftOut` gets it, else one line in the console counts those.
 */
export function packFixes(fixes: readonly AnyFix[], leftOut?: LeftOut): Uint8Array[] {
  const packets: Uint8Array[] = [];
  let body: number[] = [];
  let count = 0;
  const finish = () => {
    const head = [LIMITS.packet_version];
    unsigned(head, count);
    packets.push(Uint8Array.from([...head, ...body]));
    [body, count] = [[], 0];
  };
  const bad: RangeError[] = [];
  for (const fix of fixes) {
    const written: number[] = [];
    try {
      write(written, fix);
    } catch (error) {
      bad.push(error as RangeError);
      leftOut?.(fix, error as RangeError);
      continue;
    }
    if (body.length + written.length > LIMITS.packet_bytes - HEAD) finish();
    body.push(...written);
    count += 1;
  }
  if (count > 0) finish();
  if (bad[0] && !leftOut) console.warn(`Fanfare: ${bad.length} of ${fixes.length} fixes left out, the first one for ${bad[0].message}`);
  return packets;
}

/** What `fixOf` needs of a `GeolocationPosition`. */
export interface Position {
  readonly timestamp: number;
  readonly coords: {
    readonly latitude: number;
    readonly longitude: number;
    readonly accuracy?: Maybe;
    readonly speed?: Maybe;
    readonly heading?: Maybe;
  };
}

/**
 * The fix of a position of the browser's. `counter` grows by one with each fix of this device. `now` is the server's time,
 * `client.now()`: this machine's clock, by which the position is dated, may be wrong.
 */
export function fixOf({ timestamp, coords }: Position, counter: number, now: number): JsonFix {
  const age = Date.now() - timestamp;
  const { latitude: lat, longitude: lon } = coords;
  const fix: JsonFix = { counter, time: Math.round(now - (age > 0 ? age : 0)), lat, lon };
  for (const name of ['accuracy', 'speed', 'heading'] as const) {
    const value = coords[name];
    if (isKnown(value)) fix[name] = name === 'heading' ? value % 360 : value;
  }
  return fix;
}

/** Bytes before the first fix, at most: version and count. */
const HEAD = 4;

function isKnown(value: Maybe): value is number {
  return typeof value === 'number' && value >= 0 && value < Infinity;
}

function write(out: number[], fix: AnyFix): void {
  if (typeof fix !== 'object' || fix === null) throw new RangeError(`no fix: ${String(fix)}`);
  unsigned(out, whole('counter', fix.counter, 1, 1, LIMITS.number));
  unsigned(out, whole('time', fix.time, 1, 0, LIMITS.number));
  zigzag(out, whole('lat', fix.lat, 1e7, -9e8, 9e8));
  zigzag(out, whole('lon', fix.lon, 1e7, -18e8, 18e8));
  const known = (value: Maybe, scale: number) => (isKnown(value) ? 1 + Math.round(Math.min(value * scale, 65_534)) : 0);
  const { accuracy, speed, heading, battery } = fix;
  unsigned(out, known(accuracy, 10));
  unsigned(out, known(speed, 100));
  unsigned(out, isKnown(heading) && heading <= 360 ? 1 + (Math.round(heading * 100) % 36_000) : 0);
  out.push(isKnown(battery) && battery <= 100 ? 1 + Math.round(battery) : 0);
}

function whole(name: string, value: unknown, scale: number, min: number, max: number): number {
  const rounded = typeof value === 'number' ? Math.round(value * scale) : NaN;
  if (!(rounded >= min && rounded <= max)) throw new RangeError(`an impossible ${name}: ${String(value)}`);
  return rounded;
}

function zigzag(out: number[], value: number): void {
  unsigned(out, value >= 0 ? 2 * value : -2 * value - 1);
}

function unsigned(out: number[], value: number): void {
  if (value <= 250) return void out.push(value);
  const size = value <= 0xffff ? 2 : value <= 0xffff_ffff ? 4 : 8;
  out.push(size === 2 ? 0xfb : size === 4 ? 0xfc : 0xfd);
  for (let i = 0, rest = value; i < size; i += 1, rest = Math.floor(rest / 256)) out.push(rest % 256);
}
