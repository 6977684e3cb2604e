// Packets of fixes for the server, for an agent in a browser: `for (const p of packFixes(fixes)) client.sendPacket(p)`.
import { LIMITS, type JsonFix } from './generated.ts';

/** Packs fixes, into as few packets as hold them. Values that cannot be sent make it throw. */
export function packFixes(fixes: readonly JsonFix[]): Uint8Array[] {
  const packets: Uint8Array[] = [];
  let body: number[] = [];
  let count = 0;
  const finish = () => {
    const head = [LIMITS.packet_version];
    unsigned(head, count);
    packets.push(Uint8Array.from([...head, ...body]));
    [body, count] = [[], 0];
  };
  for (const fix of fixes) {
    const before = body.length;
    write(body, fix);
    if (body.length > LIMITS.packet_bytes - HEAD) {
      const last = body.splice(before);
      finish();
      body = last;
    }
    count += 1;
  }
  if (count > 0) finish();
  return packets;
}

/** Bytes before the first fix, at most: version and count. */
const HEAD = 4;

function write(out: number[], fix: JsonFix): void {
  unsigned(out, whole(fix.counter, 1, LIMITS.number));
  unsigned(out, whole(fix.time, 0, LIMITS.number));
  zigzag(out, whole(fix.lat * 1e7, -9e8, 9e8));
  zigzag(out, whole(fix.lon * 1e7, -18e8, 18e8));
  const known = (value: number | undefined, scale: number, max: number) =>
    value === undefined ? 0 : 1 + whole(Math.min(value * scale, max), 0, max);
  unsigned(out, known(fix.accuracy, 10, 65_534));
  unsigned(out, known(fix.speed, 100, 65_534));
  unsigned(out, fix.heading === undefined ? 0 : 1 + (whole(fix.heading * 100, 0, 36_000) % 36_000));
  out.push(fix.battery === undefined ? 0 : 1 + whole(fix.battery, 0, 100));
}

function whole(value: number, min: number, max: number): number {
  const rounded = Math.round(value);
  if (!(rounded >= min && rounded <= max)) throw new RangeError(`a fix holds an impossible value: ${value}`);
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
