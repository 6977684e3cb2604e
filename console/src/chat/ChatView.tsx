import { useState } from 'react';
import { MessagesSquare, SquarePen } from 'lucide-react';
import { usePhone } from '../lib/hooks';
import { go } from '../router';
import { Button } from '../ui/Button';
import { Empty } from '../ui/Empty';
import { ConversationList } from './ConversationList';
import { NewConversation } from './NewConversation';
import { Thread } from './Thread';
import css from './chat.module.css';

export function ChatView({ id }: { id: string | undefined }) {
  const phone = usePhone();
  const [creating, setCreating] = useState(false);
  return (
    <div className={css.view}>
      {(!phone || id === undefined) && <ConversationList selected={id} onNew={() => setCreating(true)} />}
      {id !== undefined ? <Thread key={id} id={id} /> : !phone && (
        <div className={css.thread}>
          <Empty icon={<MessagesSquare size={22} />} title="Pick a conversation">
            Or begin one with people of your organisation.
            <br />
            <Button icon={<SquarePen size={15} />} onClick={() => setCreating(true)}>New conversation</Button>
          </Empty>
        </div>
      )}
      {creating && (
        <NewConversation onClose={() => setCreating(false)} onCreated={(made) => { setCreating(false); go({ view: 'chat', id: made }); }} />
      )}
    </div>
  );
}
