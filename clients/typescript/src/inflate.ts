// Compressed events (proto/README.md, "Compression"): inflated in the background, and never to more than an event may have.
import { join, utf8 } from './frames.ts';
import { LIMITS } from './generated.ts';

export const WAY = 'deflate-raw';

/** What goes in at once. So much comes out for it at most, before it is looked at, as an event may have. */
const BITE = 1024;

/** Whether this browser can. */
export function inflates(): boolean {
  try {
    return !!new DecompressionStream(WAY);
  } catch {
    return false;
  }
}

/** Rejects what is no deflated text, or too large a one. */
export async function inflate(bytes: Uint8Array, limit: number = LIMITS.event_bytes): Promise<string> {
  let at = 0;
  const bites = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (to) => {
      if (at < bytes.length) to.enqueue(bytes.slice(at, (at += BITE)));
      else to.close();
    },
  });
  const reader = bites.pipeThrough(new DecompressionStream(WAY)).getReader();
  const chunks: Uint8Array[] = [];
  let held = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return utf8.decode(join(chunks, held));
    chunks.push(value);
    held += value.length;
    if (held > limit) {
      void reader.cancel().catch(() => {});
      throw new RangeError(`more than ${limit} bytes`);
    }
  }
}
