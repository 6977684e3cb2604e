import { useEffect, useRef } from 'react';
import { useChat } from './hooks';

/** Conversations whose newest message is looked up for the list. */
const MOST = 20;

/** The server's list names no messages: the newest of those on top are read, once, by opening them for a moment. */
export function usePreviews(): void {
  const { chat, conversations, ready } = useChat();
  const asked = useRef(new Set<string>());
  useEffect(() => {
    if (!ready) return;
    for (const { id, last } of conversations.slice(0, MOST)) {
      if (last || asked.current.has(id)) continue;
      asked.current.add(id);
      chat.open(id);
      chat.leave(id);
    }
  }, [chat, conversations, ready]);
}
