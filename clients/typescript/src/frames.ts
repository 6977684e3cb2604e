// Framing of events on a stream: the length as an unsigned 32-bit big-endian number, then UTF-8; or the same compressed,
// where the length's highest bit is set.
import { LIMITS } from './generated.ts';

const HEADER = LIMITS.frame_header_bytes;

export function encodeFrame(text: string): Uint8Array {
  const content = new TextEncoder().encode(text);
  const out = new Uint8Array(HEADER + content.length);
  new DataView(out.buffer).setUint32(0, content.length);
  out.set(content, HEADER);
  return out;
}

/** Puts a stream's chunks together to events. Holds one incomplete frame at most, and never more than has come. */
export class Frames {
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #held = 0;
  /** Bytes that the frame at the front needs; 0 while its length is not known. */
  #needed = 0;

  constructor(limit: number = LIMITS.event_bytes) {
    this.#limit = limit;
  }

  /** Takes a chunk, answers the events that it completes: text, or compressed bytes. Throws where a frame is too large or not UTF-8. */
  push(chunk: Uint8Array): (string | Uint8Array)[] {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    // Chunks are joined only when a frame is complete: a frame that trickles in is not copied again and again.
    if (this.#held < (this.#needed || HEADER)) return [];

    const bytes = this.#chunks.length === 1 ? chunk : join(this.#chunks, this.#held);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const events: (string | Uint8Array)[] = [];
    let at = 0;
    this.#needed = 0;
    while (bytes.length - at >= HEADER) {
      const header = view.getUint32(at);
      const length = header & 0x7fffffff;
      if (length > this.#limit) throw new RangeError(`a frame of ${length} bytes`);
      if (bytes.length - at < HEADER + length) {
        this.#needed = HEADER + length;
        break;
      }
      const content = bytes.subarray(at + HEADER, (at += HEADER + length));
      events.push(header === length ? utf8.decode(content) : content);
    }
    this.#held = bytes.length - at;
    // A copy, so that a small rest does not keep a large chunk in memory.
    this.#chunks = this.#held > 0 ? [bytes.slice(at)] : [];
    return events;
  }
}

export const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function join(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
