import { useState } from 'react';
import { ChevronLeft, MessageCircleQuestion, Users } from 'lucide-react';
import { useConnection, useSession } from '../session/context';
import { go } from '../router';
import { usePhone } from '../lib/hooks';
import { Face } from '../people/Dot';
import { PersonLine } from '../people/Line';
import { IconButton } from '../ui/Button';
import { Avatar } from '../ui/Avatar';
import { Empty, Skeleton } from '../ui/Empty';
import { Composer } from './Composer';
import { useChat, useMessages } from './hooks';
import { Members } from './Members';
import { MessageList } from './MessageList';
import { nameOf, otherOf } from './naming';
import css from './chat.module.css';

export function Thread({ id }: { id: string }) {
  const { who } = useSession();
  const state = useConnection();
  const { conversations, ready, chat } = useChat();
  const messages = useMessages(id);
  const phone = usePhone();
  const [listing, setListing] = useState(false);
  const conversation = conversations.find((c) => c.id === id);

  if (!conversation) {
    return (
      <section className={css.thread}>
        {ready ? (
          <Empty icon={<MessageCircleQuestion size={22} />} title="No such conversation">It does not exist, or you are no member of it.</Empty>
        ) : <Skeleton rows={6} height={56} />}
      </section>
    );
  }
  const name = nameOf(conversation, who?.userId);
  const group = conversation.kind === 'group';
  const other = otherOf(conversation, who?.userId);
  return (
    <section className={css.thread} aria-label={`Conversation: ${name}`}>
      <header className={css.threadHead}>
        {phone && <IconButton label="All conversations" onClick={() => go({ view: 'chat' })}><ChevronLeft size={20} /></IconButton>}
        {other === undefined ? <Avatar name={name} icon={<Users size={15} />} /> : <Face user={other} named={false} />}
        <div>
          <h2>{name}</h2>
          <p>{other === undefined ? members(conversation.members, conversation.memberCount, who?.userId) : <PersonLine user={other} instead="Private conversation" />}</p>
        </div>
        {group && <IconButton label="Members" onClick={() => setListing(true)}><Users size={17} /></IconButton>}
      </header>
      {listing && (
        <Members
          name={name} members={conversation.members} count={conversation.memberCount} me={who?.userId}
          onClose={() => setListing(false)}
        />
      )}
      <MessageList key={id} id={id} messages={messages} members={conversation.members} group={group} />
      <Typing users={chat.typing(id)} />
      <Composer
        id={id} members={conversation.members.filter((member) => member !== who?.userId)} name={name}
        offline={state.name !== 'open'} onSend={(text) => chat.send(id, text)}
      />
    </section>
  );
}

function members(known: readonly string[], count: number, me: string | undefined): string {
  const named = known.slice(0, 6).map((member) => (member === me ? 'you' : member));
  return count > named.length ? `${named.join(', ')} and ${count - named.length} more` : named.join(', ');
}

/** There once the server tells who is typing. */
function Typing({ users }: { users: readonly string[] }) {
  return (
    <p className={css.typing} role="status">
      {users.length > 0 && <><i aria-hidden /><i aria-hidden /><i aria-hidden />{users.join(', ')} {users.length > 1 ? 'are' : 'is'} typing</>}
    </p>
  );
}
