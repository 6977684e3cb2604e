import { createContext, use, useEffect, useState, useSyncExternalStore } from 'react';
import { useConnection } from 'fanfare-client/react';
import type { Session } from './session';

interface Signed {
  session: Session;
  signOut: () => void;
}

export const SessionContext = createContext<Signed | undefined>(undefined);

export function useSigned(): Signed {
  const signed = use(SessionContext);
  if (!signed) throw new Error('used outside of a session');
  return signed;
}

export const useSession = (): Session => useSigned().session;

/** Whose the session is, once the server has said it. */
export function useOwner(): string | undefined {
  const session = useSession();
  return useValue(session, () => session.owner);
}

/** A value that something announces changes of. */
export function useValue<T>(source: { onChange: (listener: () => void) => () => void }, read: () => T): T {
  return useSyncExternalStore(source.onChange, read);
}

export { useConnection };

/** The server's time, anew every `everyMs`: what ages are counted from, as this machine's clock may be wrong. */
export function useServerNow(everyMs = 1000): number {
  const { client } = useSession();
  // With the connection it may become known for the first time.
  useConnection();
  const [, again] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => again((n) => n + 1), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return client.now();
}

/** Whether there is any use in showing what needs a right: it is granted, or the server does not say. Undefined: not yet. */
export function useShows(action: string): boolean | undefined {
  const { rights } = useSession();
  return useValue(rights, () => rights.may?.has(action) ?? (rights.unanswered || undefined));
}

/** Whether one may do this; absent while the server has not said it. */
export function useMay(action: string): boolean | undefined {
  const { rights } = useSession();
  return useValue(rights, () => rights.may?.has(action));
}
