// What one is by choice: kept for the next time that the page is opened, and the same in all of its tabs.
import { useEffect } from 'react';
import type { Availability } from 'fanfare-client';
import { usePeople } from 'fanfare-client/react';
import { forBrowser, onOtherTab } from '../lib/storage';
import { useOwner } from '../session/context';
import { statusKey } from './kept';
import { CHOICES } from './state';

/** Says again what was chosen before, and what is chosen in another tab. */
export function useKeptStatus(): void {
  const people = usePeople();
  const owner = useOwner();
  useEffect(() => {
    if (owner === undefined) return;
    const key = statusKey(owner);
    const take = (kept: string | undefined) => {
      const status = CHOICES.find(({ value }) => value === kept)?.value ?? 'online';
      // Where it cannot be said now it is with the next connection.
      if (status !== people.mine) people.set({ status }).catch(() => {});
    };
    take(forBrowser.get(key));
    return onOtherTab(key, (value) => take(value ?? undefined));
  }, [people, owner]);
}

/** Answers how to choose. */
export function useChooseStatus(): (status: Availability) => void {
  const people = usePeople();
  const owner = useOwner();
  return (status) => {
    if (owner !== undefined) forBrowser.set(statusKey(owner), status);
    people.set({ status }).catch(() => {});
  };
}
