import { usePerson } from 'fanfare-client/react';
import { useServerNow } from '../session/context';
import { describe } from './state';

/** What somebody is, since when they are gone, and what they show beside the name; what stands there instead until it is known. */
export function PersonLine({ user, instead = '' }: { user: string; instead?: string }) {
  const person = usePerson(user);
  const now = useServerNow(30_000);
  return <>{person ? describe(person, now) : instead}</>;
}
