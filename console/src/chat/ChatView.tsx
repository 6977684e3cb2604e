import { useEffect, useRef, useState } from 'react';
import { MessagesSquare, SquarePen } from 'lucide-react';
import { usePhone } from '../lib/hooks';
import { go } from '../router';
import { useSession } from '../session/context';
import { FOR_NEW, forConversation } from '../session/drafts';
import { Button } from '../ui/Button';
import { Empty } from '../ui/Empty';
import { Beginning, type About } from './beginning';
import { ConversationList } from './ConversationList';
import { useChat } from './hooks';
import { NewConversation } from './NewConversation';
import { Thread } from './Thread';
import css from './chat.module.css';

interface Refused {
  about: About;
  error: string;
}

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
  const { client, drafts } = useSession();
  const [creating, setCreating] = useState(false);
  const [refused, setRefused] = useState<Refused>();
  const [pending, setPending] = useState<Pending>();
  const begun = useRef(0);
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
    const beginning = new Beginning(client, chat, drafts, about);
    begun.current += 1;
    setCreating(false);
    setRefused(undefined);
    setPending({ beginning, from: id, landed: false });
    beginning.made.then((to) => {
      drafts.move(FOR_NEW, forConversation(to));
      const now = here.current;
      if (now.pending?.beginning === beginning && now.id === now.pending.from) go({ view: 'chat', id: to });
    }, (failure: unknown) => {
      const unsent = beginning.giveUp();
      if (unsent) drafts.set(FOR_NEW, [unsent, drafts.get(FOR_NEW)].filter(Boolean).join('\n'));
      setPending((now) => (now?.beginning === beginning ? undefined : now));
      setRefused({ about, error: failure instanceof Error ? failure.message : String(failure) });
      setCreating(true);
    });
  };
  const close = () => {
    setCreating(false);
    setRefused(undefined);
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
          key={starting ? `begun-${begun.current}` : id} id={starting ? pending.beginning.id : id}
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
      {creating && <NewConversation refused={refused} onClose={close} onBegin={begin} onOpen={(known) => { close(); go({ view: 'chat', id: known }); }} />}
    </div>
  );
}
