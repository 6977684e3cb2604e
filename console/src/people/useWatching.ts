import { useEffect, useRef } from 'react';
import { usePeople } from 'fanfare-client/react';
import { useChat } from '../chat/hooks';
import { useMay, useSession } from '../session/context';
import { watched } from './state';

/**
 * Watches those whom the page shows: everyone, where one may, else the people one talks with. In one place, and without
 * rendering: lists read what is known, and scrolling them asks the server nothing.
 */
export function useWatching(open: string | undefined): void {
  const { who } = useSession();
  const { conversations } = useChat();
  const people = usePeople();
  const before = useRef<readonly string[]>([]);
  const users = watched(before.current, who?.userId, conversations, open);
  const everyone = useMay('watch_everyone') === true;
  useEffect(() => {
    before.current = users;
    return people.watch(users);
  }, [people, users]);
  useEffect(() => (everyone ? people.watch() : undefined), [people, everyone]);
}
