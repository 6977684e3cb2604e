// What people are, in words, and whom this page watches.
import type { Availability, Presence, Status } from 'fanfare-client';
import { LIMITS } from 'fanfare-client/protocol';
import { age } from '../lib/format';
import { isolated } from '../lib/plain';

export const LABELS: Readonly<Record<Status, string>> = {
  online: 'Online',
  away: 'Away',
  busy: 'Do not disturb',
  in_call: 'In a call',
  offline: 'Offline',
};

/** What one may say of oneself, in the order of the menu. */
export const CHOICES: readonly { value: Availability; label: string }[] = [
  { value: 'online', label: LABELS.online },
  { value: 'away', label: LABELS.away },
  { value: 'busy', label: LABELS.busy },
  { value: 'offline', label: 'Appear offline' },
];

/** `Last seen 5 min ago`. */
export function lastSeen(at: number, now: number): string {
  return now - at < 60_000 ? 'Last seen just now' : `Last seen ${age(now - at)} ago`;
}

/** A person in a line: the state, or when they were last seen, and their text. */
export function describe({ status, last_seen: seen, text }: Presence, now: number): string {
  const state = status === 'offline' && seen !== undefined ? lastSeen(seen, now) : LABELS[status];
  return text ? `${state} · ${isolated(text)}` : state;
}

interface Talk {
  readonly id: string;
  readonly members: readonly string[];
}

/**
 * Whom one watches who may not watch everyone: oneself, the open conversation, and the others one talks with, the newest
 * conversations first. Whoever was watched stays so as long as there is room, so that a message, which moves its
 * conversation to the top, changes nothing.
 */
export function watched(before: readonly string[], me: string | undefined, talks: readonly Talk[], open: string | undefined): readonly string[] {
  const known = new Set(talks.flatMap(({ members }) => members));
  const first = talks.find(({ id }) => id === open)?.members ?? [];
  const wanted = new Set([...(me === undefined ? [] : [me]), ...first, ...before.filter((user) => known.has(user)), ...known]);
  const next = [...wanted].slice(0, LIMITS.watched_users).sort();
  return next.length === before.length && next.every((user, i) => user === before[i]) ? before : next;
}
