import { createContext, use, useSyncExternalStore } from 'react';
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

/** A value that something announces changes of. */
export function useValue<T>(source: { onChange: (listener: () => void) => () => void }, read: () => T): T {
  return useSyncExternalStore(source.onChange, read);
}

export { useConnection };

/** Whether one may do this; absent while the server has not said it. */
export function useMay(action: string): boolean | undefined {
  const { rights } = useSession();
  return useValue(rights, () => rights.may?.has(action));
}
