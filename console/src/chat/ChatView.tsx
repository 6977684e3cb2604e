import { useEffect, useRef, useState } from 'react';
import { MessagesSquare, SquarePen } from 'lucide-react';
import { usePhone } from '../lib/hooks';
import { go } from '../router';
import { useSession, useValue } from '../session/context';
import { Button } from '../ui/Button';
import { Empty } from '../ui/Empty';
import type { About, Beginning } from './beginning';
import { ConversationList } from './ConversationList';
import { useChat } from './hooks';
import { NewConversation } from './NewConversation';
import { Thread } from './Thread';
import css from './chat.module.css';

interface Pending {
  beginning: Beginning;
  /** The conversation that was open. */
  from: string | undefined;
  /** The address names it. */
  landed: boolean;
}

export function ChatView({ id }: { id: string | undefined }) {
  const phone = usePhone();
  const { chat } = useChat();
  const { client, begun } = useSession();
  const [creating, setCreating] = useState(false);
  const failed = useValue(begun, () => begun.refused[0]);
  const refused = creating ? undefined : failed;
  const [pending, setPending] = useState<Pending>();
  const count = useRef(0);
  const here = useRef<{ id: string | undefined; pending: Pending | undefined }>({ id, pending });
  useEffect(() => {
    here.current = { id, pending };
    // It is there, and one is there: from now on its address says so.
    if (pending && !pending.landed && id !== undefined && id === pending.beginning.id) setPending({ ...pending, landed: true });
    // One has gone elsewhere: it no longer stands in the place of another, and is found in the list once it is made.
    else if (pending && !pending.landed && id !== pending.from) setPending(undefined);
    return () => { here.current = { id: undefined, pending: undefined }; };
  }, [id, pending]);
  // Until it is made it stands where one was when it was begun.
  const starting = pending !== undefined && (pending.landed ? id === pending.beginning.id : id === pending.from || id === pending.beginning.id);

  const begin = (about: About) => {
    const beginning = begun.begin(client, chat, about, refused?.text);
    count.current += 1;
    close();
    setPending({ beginning, from: id, landed: false });
    beginning.made.then((to) => {
      const now = here.current;
      if (now.pending?.beginning === beginning && now.id === now.pending.from) go({ view: 'chat', id: to });
    }, () => setPending((now) => (now?.beginning === beginning ? undefined : now)));
  };
  const close = () => {
    setCreating(false);
    if (refused) begun.putAway(refused.key);
  };
  const back = () => {
    setPending(undefined);
    go({ view: 'chat' });
  };

  return (
    <div className={css.view}>
      {(!phone || (id === undefined && !starting)) && <ConversationList selected={id} onNew={() => setCreating(true)} />}
      {/* The same thread before and after it is made: what is being typed goes on. */}
      {starting || id !== undefined ? (
        <Thread
          key={starting ? `begun-${count.current}` : id} id={starting ? pending.beginning.id : id}
          beginning={starting ? pending.beginning : undefined} onBack={back}
        />
      ) : !phone && (
        <div className={css.thread}>
          <Empty icon={<MessagesSquare size={22} />} title="Pick a conversation">
            Or begin one with people of your organisation.
            <br />
            <Button icon={<SquarePen size={15} />} onClick={() => setCreating(true)}>New conversation</Button>
          </Empty>
        </div>
      )}
      {(creating || refused) && <NewConversation key={refused?.key} refused={refused} onClose={close} onBegin={begin} onOpen={(known) => { close(); go({ view: 'chat', id: known }); }} />}
    </div>
  );
}
