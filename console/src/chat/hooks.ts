import { useEffect } from 'react';
import { useChat } from 'fanfare-client/react';
import type { ConversationView, MessagesView, MessageView } from 'fanfare-client/chat';
import { useOwner, useSession } from '../session/context';

export { useChat, useMessages } from 'fanfare-client/react';
export type Conversation = ConversationView;
export type Messages = MessagesView;
export type Message = MessageView;

export const useUnread = (): number => useChat().totalUnread;

/** Conversations that were being begun when the page was loaded anew are gone on with. */
export function useBegun(): void {
  const { client, begun } = useSession();
  const { chat } = useChat();
  const owner = useOwner();
  useEffect(() => {
    if (owner !== undefined) begun.restore(client, chat);
  }, [client, chat, begun, owner]);
}
