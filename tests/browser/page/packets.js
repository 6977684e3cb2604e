// Tick packets (proto/README.md, "Tick packets"): fixes out, ticks in. packets.test.mjs holds it to the vectors.
// Times and counters stay below 2^53, so they are plain numbers here; only the 8-byte form goes through BigInt.

const VERSION = 1;

class Writer {
  bytes = [];

  unsigned(value) {
    if (value <= 250) this.bytes.push(value);
    else if (value <= 0xffff) this.#wide(0xfb, value, 2);
    else if (value <= 0xffff_ffff) this.#wide(0xfc, value, 4);
    else this.#wide(0xfd, value, 8);
  }

  signed(value) {
    this.unsigned(value >= 0 ? 2 * value : -2 * value - 1);
  }

  known(value) {
    this.unsigned(value === undefined ? 0 : value + 1);
  }

  #wide(mark, value, size) {
    this.bytes.push(mark);
    for (let rest = BigInt(value), i = 0; i < size; i += 1, rest >>= 8n) this.bytes.push(Number(rest & 0xffn));
  }
}

/** A packet of fixes: `{counter, time, lat_e7, lon_e7, accuracy_dm?, speed_cms?, heading_cdeg?, battery_pct?}`. */
export function packFixes(fixes) {
  const out = new Writer();
  out.bytes.push(VERSION);
  out.unsigned(fixes.length);
  for (const fix of fixes) {
    out.unsigned(fix.counter);
    out.unsigned(fix.time);
    out.signed(fix.lat_e7);
    out.signed(fix.lon_e7);
    out.known(fix.accuracy_dm);
    out.known(fix.speed_cms);
    out.known(fix.heading_cdeg);
    out.bytes.push(fix.battery_pct === undefined ? 0 : fix.battery_pct + 1);
  }
  return Uint8Array.from(out.bytes);
}

class Reader {
  at = 0;

  constructor(bytes) {
    this.bytes = bytes;
  }

  byte() {
    if (this.at >= this.bytes.length) throw new RangeError('the packet ends too early');
    return this.bytes[this.at++];
  }

  /** A number of at most `bits` bits, as a BigInt: a difference of times may need more than 53 of them. */
  big(bits) {
    const first = this.byte();
    if (first <= 250) return BigInt(first);
    const size = { 0xfb: 2, 0xfc: 4, 0xfd: 8 }[first];
    if (size === undefined || size * 8 > bits) throw new RangeError('a number of an unknown or forbidden width');
    let value = 0n;
    for (let i = 0; i < size; i += 1) value |= BigInt(this.byte()) << BigInt(8 * i);
    return value;
  }

  unsigned(bits) {
    return Number(this.big(bits));
  }

  difference(bits) {
    const value = this.big(bits);
    return value % 2n === 0n ? value / 2n : -(value + 1n) / 2n;
  }

  known(value) {
    return value === 0 ? undefined : value - 1;
  }
}

/** Reads a packet of ticks: `{view, epoch, base, ticks}`. Throws where it is malformed or of another version. */
export function unpackTicks(bytes) {
  const from = new Reader(bytes);
  if (bytes.length > 1024) throw new RangeError('the packet is too large');
  if (from.byte() !== VERSION) throw new RangeError('a packet of another version');
  const [view, epoch, base] = [from.unsigned(32), from.unsigned(32), from.unsigned(64)];
  const count = from.unsigned(64);
  if (count > bytes.length) throw new RangeError('more ticks than bytes');
  const ticks = [];
  for (let i = 0; i < count; i += 1) {
    const tick = {
      alias: from.unsigned(32),
      time: Number(BigInt(base) + from.difference(64)),
      lat_e7: Number(from.difference(32)),
      lon_e7: Number(from.difference(32)),
      accuracy_dm: from.known(from.unsigned(16)),
      speed_cms: from.known(from.unsigned(16)),
      heading_cdeg: from.known(from.unsigned(16)),
      battery_pct: from.known(from.byte()),
    };
    if (Math.abs(tick.lat_e7) > 900_000_000 || Math.abs(tick.lon_e7) > 1_800_000_000) {
      throw new RangeError('no such place');
    }
    ticks.push(tick);
  }
  if (from.at !== bytes.length) throw new RangeError('bytes after the last tick');
  return { view, epoch, base, ticks };
}
