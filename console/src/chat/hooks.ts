import { useChat } from 'fanfare-client/react';
import type { ConversationView, MessagesView, MessageView } from 'fanfare-client/chat';

export { useChat, useMessages } from 'fanfare-client/react';
export type Conversation = ConversationView;
export type Messages = MessagesView;
export type Message = MessageView;

export const useUnread = (): number => useChat().totalUnread;
