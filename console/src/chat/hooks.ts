import { useEffect } from 'react';
import { useChat } from 'fanfare-client/react';
import type { ConversationView, MessagesView, MessageView } from 'fanfare-client/chat';
import { useSession } from '../session/context';
import { FOR_NEW } from '../session/drafts';
import { restoreBegun } from './beginning';

export { useChat, useMessages } from 'fanfare-client/react';
export type Conversation = ConversationView;
export type Messages = MessagesView;
export type Message = MessageView;

export const useUnread = (): number => useChat().totalUnread;

/** Conversations that were being begun when the page was loaded anew are gone on with. */
export function useBegun(): void {
  const { client, drafts } = useSession();
  const { chat } = useChat();
  useEffect(() => {
    // What fails for good is the text of the next one.
    for (const beginning of restoreBegun(client, chat, drafts)) beginning.made.catch(() => drafts.set(FOR_NEW, beginning.giveUp()));
  }, [client, chat, drafts]);
}
