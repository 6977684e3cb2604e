// What a conversation is called by one of its members.
import { isolated, namedIn } from '../lib/plain';

export interface Named {
  kind: string;
  title?: string | undefined;
  members: readonly string[];
}

/** With whom one talks alone. */
export function otherOf({ kind, members }: Named, me: string | undefined): string | undefined {
  return kind === 'private' ? members.find((member) => member !== me) : undefined;
}

/** The private conversation with a person, if there is one. */
export function privateWith<T extends Named & { id: string }>(all: readonly T[], other: string, me: string | undefined): T | undefined {
  return all.find((one) => one.members.length === 2 && otherOf(one, me) === other);
}

export function nameOf({ kind, title, members }: Named, me: string | undefined): string {
  if (title) return isolated(title);
  const others = members.filter((member) => member !== me).map(namedIn);
  if (others.length === 0) return namedIn(members[0] ?? 'Conversation');
  if (kind === 'private') return others[0]!;
  return others.length <= 3 ? others.join(', ') : `${others.slice(0, 2).join(', ')} and ${others.length - 2} more`;
}
