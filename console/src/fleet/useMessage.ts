import { useCallback } from 'react';
import { go } from '../router';
import { useChat } from '../chat/hooks';
import { useSession } from '../session/context';

/** Opens the private conversation with somebody, and makes it if there is none. */
export function useMessage(): (user: string) => Promise<void> {
  const { who } = useSession();
  const { chat } = useChat();
  return useCallback(
    async (user) => {
      const known = chat.snapshot.conversations.find(
        ({ kind, members }) => kind === 'private' && members.length === 2 && members.includes(user) && members.includes(who?.userId ?? ''),
      );
      const id = known?.id ?? (await chat.create({ kind: 'private', members: [user] }));
      go({ view: 'chat', id });
    },
    [chat, who],
  );
}
