import { matches } from '../lib/search';
import type { Entry } from './log';

export type Kind = 'all' | 'chat' | 'location' | 'notice' | 'client';

export const KINDS: readonly { value: Kind; label: string }[] = [
  { value: 'all', label: 'All' },
  { value: 'chat', label: 'Chat' },
  { value: 'location', label: 'Agents' },
  { value: 'notice', label: 'Notices' },
  { value: 'client', label: 'Connection' },
];

export function kindOf(name: string): Exclude<Kind, 'all'> {
  if (name.startsWith('message:') || name.startsWith('conversation:')) return 'chat';
  if (name.startsWith('location:')) return 'location';
  return name.startsWith('system:') ? 'notice' : 'client';
}

/** Newest first. */
export function filtered(entries: readonly Entry[], kind: Kind, search: string): Entry[] {
  const fits = ({ name, about }: Entry) => {
    if (kind !== 'all' && kindOf(name) !== kind) return false;
    return matches(`${name} ${about}`, search);
  };
  return entries.filter(fits).toReversed();
}
