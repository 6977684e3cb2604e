import type { MemberMark } from 'fanfare-client';

export interface Receipts {
  read: string[];
  /** Those who have it and have not read it. */
  delivered: string[];
}

/** Members whose marks the server lists. */
const LISTED = 40;

/** By how many it was read. Of a larger group the server lists the marks of the first members only. */
export function readBy(read: number, listed: number, members: number): string {
  if (listed >= LISTED && members > LISTED) return `${read} of the ${listed} members listed`;
  return read === 0 ? 'nobody yet' : `${read}`;
}

/** Who of the others has read a message, and who only has it. */
export function receipts(marks: readonly MemberMark[], seq: number, me: string | undefined): Receipts {
  const others = marks.filter(({ user_id: user }) => user !== me).toSorted((a, b) => (a.user_id < b.user_id ? -1 : 1));
  const read = others.filter((mark) => mark.read >= seq);
  return {
    read: read.map(({ user_id: user }) => user),
    delivered: others.filter((mark) => mark.read < seq && mark.delivered >= seq).map(({ user_id: user }) => user),
  };
}
