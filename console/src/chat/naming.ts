// What a conversation is called by one of its members.

export interface Named {
  kind: string;
  title?: string | undefined;
  members: readonly string[];
}

/** With whom one talks alone. */
export function otherOf({ kind, members }: Named, me: string | undefined): string | undefined {
  return kind === 'private' ? members.find((member) => member !== me) : undefined;
}

export function nameOf({ kind, title, members }: Named, me: string | undefined): string {
  if (title) return title;
  const others = members.filter((member) => member !== me);
  if (others.length === 0) return members[0] ?? 'Conversation';
  if (kind === 'private') return others[0]!;
  return others.length <= 3 ? others.join(', ') : `${others.slice(0, 2).join(', ')} and ${others.length - 2} more`;
}
