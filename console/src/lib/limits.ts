// How long a text may be. The server counts the UTF-8 bytes between the quotes of its JSON form, so this page does, too:
// a line break or a quotation mark counts 2, an umlaut 2, most Chinese characters 3, an emoji 4.
import { LIMITS } from 'fanfare-client';

export const MOST = {
  message: LIMITS.text_bytes,
  notice: LIMITS.broadcast_bytes,
  title: LIMITS.title_bytes,
  status: LIMITS.status_text_bytes,
} as const;

const UTF8 = new TextEncoder();

/** Half of a character that takes two places in JavaScript: JSON has no form of it that the server could read. */
const HALF = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

/** As it can be sent: without half characters. */
export const sendable = (text: string): string => text.replace(HALF, '\uFFFD');

/** The length of a text as the server counts it. */
export const jsonBytes = (text: string): number => UTF8.encode(JSON.stringify(sendable(text))).length - 2;

/** By how many bytes a text is too long; at most 0 where it fits. What is sent is trimmed, so that counts. */
export const surplus = (text: string, most: number): number => jsonBytes(text.trim()) - most;

/** What to say about a text's length: nothing until it comes near what it may be. */
export function lengthNote(text: string, most: number): { text: string; over: boolean } | undefined {
  const over = surplus(text, most);
  if (over > 0) return { text: `Too long by ${over} ${over === 1 ? 'byte' : 'bytes'}`, over: true };
  // Near: the last tenth, and at least the last 32 bytes.
  if (-over > Math.max(32, most / 10)) return undefined;
  return { text: `${-over} ${over === -1 ? 'byte' : 'bytes'} left`, over: false };
}
