'use client';
// Hooks. All state is outside React and read by `useSyncExternalStore`, so that no render sees two versions of it.
import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
  type ReactNode,
  type RefObject,
} from 'react';
import type { Chat, ChatSnapshot, MessagesView } from '../chat/index.ts';
import type { Agent, Availability, Client, Events, LocationOptions, Locations, Presence, State, Stats } from '../index.ts';
import type { People } from '../presence/index.ts';
import { chatOf, locationsOf, peopleOf, type LocationsView } from './stores.ts';

export type { LocationsView } from './stores.ts';

const Context = createContext<Client | undefined>(undefined);

/** Gives the components below a client. Whoever made it connects and closes it. */
export function FanfareProvider({ client, children }: { client: Client; children?: ReactNode }): ReactNode {
  return createElement(Context.Provider, { value: client }, children);
}

export function useClient(): Client {
  const client = useContext(Context);
  if (!client) throw new Error('no <FanfareProvider> above this component');
  return client;
}

export function useConnection(): State {
  const client = useClient();
  const subscribe = useCallback((listener: () => void) => client.on('state', listener), [client]);
  const read = () => client.state;
  return useSyncExternalStore(subscribe, read, read);
}

/** Numbers about the connection, renewed so often. */
export function useStats(everyMs = 1000): Stats {
  const client = useClient();
  const [seen, setSeen] = useState(() => ({ client, stats: client.stats(false) }));
  useEffect(() => {
    const look = () => setSeen({ client, stats: client.stats() });
    look();
    const timer = setInterval(look, everyMs);
    return () => clearInterval(timer);
  }, [client, everyMs]);
  return seen.client === client ? seen.stats : client.stats(false);
}

/** Live positions; renders at most once a frame. */
export function useLocations(options: LocationOptions = {}): LocationsView {
  const store = locationsOf(useClient(), options);
  return useSyncExternalStore(store.subscribe, store.read, store.read);
}

/** One agent of the live positions; renders only when that one moves. */
export function useAgent(agentId: string, options: LocationOptions = {}): Agent | undefined {
  const store = locationsOf(useClient(), options);
  const read = () => store.view.agents.get(agentId);
  return useSyncExternalStore(store.subscribe, read, read);
}

/** Live positions for code that draws by itself: never renders. `current` is set from the first effect on. */
export function useLocationsRef(options: LocationOptions = {}): RefObject<Locations | null> {
  const store = locationsOf(useClient(), options);
  const ref = useRef<Locations | null>(null);
  useEffect(() => {
    const release = store.retain();
    ref.current = store.locations ?? null;
    return () => {
      ref.current = null;
      release();
    };
  }, [store]);
  return ref;
}

/** The chat and what is in it. */
export function useChat(): ChatSnapshot & { readonly chat: Chat } {
  const chat = chatOf(useClient());
  const subscribe = useCallback((listener: () => void) => chat.subscribe(listener), [chat]);
  const read = () => chat.snapshot;
  const snapshot = useSyncExternalStore(subscribe, read, read);
  return useMemo(() => ({ ...snapshot, chat }), [snapshot, chat]);
}

/** Who of these users is there; of everyone, without. Watches them while the component is shown. */
export function usePresence(users?: readonly string[]): ReadonlyMap<string, Presence> {
  const people = peopleOf(useClient());
  // What is asked for, and not the array that says so, which may be a new one each time.
  const wish = users && JSON.stringify(users);
  const subscribe = useCallback(
    (listener: () => void) => {
      const off = people.subscribe(listener);
      const release = people.watch(wish === undefined ? undefined : JSON.parse(wish));
      return () => {
        off();
        release();
      };
    },
    [people, wish],
  );
  const read = () => people.all;
  return useSyncExternalStore(subscribe, read, read);
}

/** One person, whom something else watches; renders only when that one changes. */
export function usePerson(userId: string): Presence | undefined {
  const people = peopleOf(useClient());
  const subscribe = useCallback((listener: () => void) => people.subscribe(listener), [people]);
  const read = () => people.of(userId);
  return useSyncExternalStore(subscribe, read, read);
}

/** What this device says that it is. */
export function useAvailability(): Availability {
  const people = peopleOf(useClient());
  const subscribe = useCallback((listener: () => void) => people.subscribe(listener), [people]);
  const read = () => people.mine;
  return useSyncExternalStore(subscribe, read, read);
}

/** What is known of people; by it, one says what one is oneself. */
export function usePeople(): People {
  return peopleOf(useClient());
}

/** A conversation's messages. Opens it, and leaves it with the component. */
export function useMessages(conversationId: string): MessagesView {
  const chat = chatOf(useClient());
  const subscribe = useCallback(
    (listener: () => void) => {
      const off = chat.subscribe(listener);
      chat.open(conversationId);
      return () => {
        off();
        chat.leave(conversationId);
      };
    },
    [chat, conversationId],
  );
  const read = () => chat.messages(conversationId);
  return useSyncExternalStore(subscribe, read, read);
}

/** Calls the newest `handler` for each event. */
export function useEvent<E extends keyof Events>(event: E, handler: (...args: Events[E]) => void): void {
  const client = useClient();
  const newest = useRef(handler);
  useEffect(() => {
    newest.current = handler;
  });
  useEffect(() => client.on(event, (...args) => newest.current(...args)), [client, event]);
}
