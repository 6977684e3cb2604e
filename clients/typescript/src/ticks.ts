// Packets of positions (proto/README.md, "Tick packets").
import { LIMITS } from './generated.ts';
import type { LiveFix } from './types.ts';

export interface Tick {
  readonly alias: number;
  readonly fix: LiveFix;
}

export interface Ticks {
  readonly view: number;
  readonly epoch: number;
  /** When it was packed, by the server's clock; for a receiver that lagged the time of its first tick. */
  readonly base: number;
  readonly ticks: readonly Tick[];
}

/** Reads a packet of ticks. Throws where it is malformed or of another version. */
export function unpackTicks(bytes: Uint8Array): Ticks {
  const from = new Reader(bytes);
  const view = from.unsigned(4);
  const epoch = from.unsigned(4);
  const base = from.unsigned(8);
  const count = from.unsigned(8);
  const ticks: Tick[] = [];
  // A forged count ends with the packet's bytes.
  for (let i = 0; i < count; i += 1) {
    const alias = from.unsigned(4);
    // Where the difference is forged, the time stays one that can be.
    const time = Math.max(0, base + from.signed(8));
    ticks.push({ alias, fix: { time, ...from.place() } });
  }
  from.end();
  return { view, epoch, base, ticks };
}

/** Bytes of a number's longest form. */
type Width = 2 | 4 | 8;

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 1;

  constructor(bytes: Uint8Array) {
    if (bytes.length > LIMITS.packet_bytes) throw new RangeError('packet too large');
    if (bytes[0] !== LIMITS.packet_version) throw new RangeError('packet of another version');
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** A number of at most `width` bytes. Beyond 2^53 it is as near as JavaScript's numbers are. */
  unsigned(width: Width): number {
    const [low, high] = this.#halves(width);
    return high * 2 ** 32 + low;
  }

  /** Zigzag: halved before it is put together, so that differences of times are exact. */
  signed(width: Width): number {
    const [low, high] = this.#halves(width);
    const half = high * 2 ** 31 + (low >>> 1);
    return low % 2 === 0 ? half : -half - 1;
  }

  #halves(width: Width): [low: number, high: number] {
    const first = this.#byte();
    if (first <= 250) return [first, 0];
    const size = first === 0xfb ? 2 : first === 0xfc ? 4 : first === 0xfd ? 8 : Infinity;
    if (size > width) throw new RangeError('number too wide');
    const at = this.#at;
    this.#at += size;
    // DataView throws where the packet ends too early.
    if (size === 2) return [this.#view.getUint16(at, true), 0];
    return [this.#view.getUint32(at, true), size === 8 ? this.#view.getUint32(at + 4, true) : 0];
  }

  place(): Omit<LiveFix, 'time'> {
    const lat = this.signed(4) / 1e7;
    const lon = this.signed(4) / 1e7;
    const accuracy = this.unsigned(2);
    const speed = this.unsigned(2);
    const heading = this.unsigned(2);
    const battery = this.#byte();
    if (Math.abs(lat) > 90 || Math.abs(lon) > 180 || heading > 36_000 || battery > 101) {
      throw new RangeError('impossible value');
    }
    return {
      lat,
      lon,
      ...(accuracy > 0 && { accuracy: (accuracy - 1) / 10 }),
      ...(speed > 0 && { speed: (speed - 1) / 100 }),
      ...(heading > 0 && { heading: (heading - 1) / 100 }),
      ...(battery > 0 && { battery: battery - 1 }),
    };
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError('packet too long');
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError('packet too short');
    return byte;
  }
}
