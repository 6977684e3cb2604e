// Texts of users where they stand beside other texts: what they say is shown, how they would turn their neighbours is not.
import { readableId } from 'fanfare-client';

/** Marks that change the direction of what follows: embeddings, overrides, isolates. */
const TURNS = /[\u202A-\u202E\u2066-\u2069]/g;
/** Letters that are written from right to left. */
const LEFTWARD = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u{10800}-\u{10FFF}\u{1E800}-\u{1EFFF}]/u;

/** Without marks that turn what stands around it. */
export const plain = (text: string): string => text.replace(TURNS, '');

/** For a line made of several texts: it keeps its own direction, and its neighbours keep theirs. */
export function isolated(text: string): string {
  const own = plain(text);
  return LEFTWARD.test(own) ? `\u2068${own}\u2069` : own;
}

/** An id as people read it. */
export const named = (id: string): string => plain(readableId(id));

/** The same within a line of other words. */
export const namedIn = (id: string): string => isolated(readableId(id));

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** The largest place at most `at` that is between two characters as people see them: never inside an emoji or a letter with its marks. */
export function boundary(text: string, at: number): number {
  if (at >= text.length) return text.length;
  // A long text is not taken apart from its start: a space is a boundary.
  const from = Math.max(0, text.lastIndexOf(' ', at - 64));
  let last = from;
  for (const { index } of GRAPHEMES.segment(text.slice(from, at + 64))) {
    if (from + index > at) break;
    last = from + index;
  }
  return last;
}

/** Shortened for a single line, on whole characters. */
export function short(text: string, most: number): string {
  const line = plain(text).replace(/\s+/g, ' ').trim();
  return line.length <= most ? line : `${line.slice(0, boundary(line, most))}…`;
}
