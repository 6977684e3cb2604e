import type { MemberMark } from 'fanfare-client';

export interface Receipts {
  read: string[];
  /** Those who have it and have not read it. */
  delivered: string[];
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
