// What a user interface shows. Every object is replaced when it changes, and only then.
import type { ConversationKind, FanfareError } from '../index.ts';

export interface ConversationView {
  readonly id: string;
  readonly kind: ConversationKind;
  readonly title?: string;
  /** The first members, in order of their ids. */
  readonly members: readonly string[];
  readonly memberCount: number;
  readonly unread: number;
  /** The newest message that was seen by this page, and could be read. */
  readonly last?: MessageView;
  /** When something last happened here, or is on its way, as far as it is known. */
  readonly lastAt?: number;
}

/**
 * What became of a message of one's own: `sent` once it is stored, `delivered` and `read` once that holds for everybody
 * else. Messages of others are `sent`.
 */
export type MessageStatus = 'sending' | 'sent' | 'delivered' | 'read' | 'failed';

export interface MessageView {
  /** Stays the same as `sending` becomes `sent`: fit for a list's keys. */
  readonly key: string;
  /** Its place in the conversation's log, once it has one. */
  readonly seq?: number;
  /** By the server's clock: compare with `client.now()`. */
  readonly at: number;
  readonly by: string;
  readonly mine: boolean;
  readonly text: string;
  readonly status: MessageStatus;
  /** Its place is known, and nothing else: the server cannot read it any more. `text` is empty, `by` may be nobody. */
  readonly unreadable?: true;
  readonly error?: FanfareError;
}

export interface MessagesView {
  /** Oldest first; those that are not stored yet stand last. */
  readonly items: readonly MessageView[];
  /** There are older ones. */
  readonly more: boolean;
  readonly loading: boolean;
  /** Messages are missing; the newest page is being read anew. */
  readonly gap: boolean;
  /** Why the last page could not be read. Where it may help, it is being tried again. */
  readonly error?: FanfareError;
}

export interface ChatSnapshot {
  /** Those in which something happened last come first. While the list is being read, those that are known. */
  readonly conversations: readonly ConversationView[];
  /** The list is complete. */
  readonly ready: boolean;
  readonly totalUnread: number;
}
