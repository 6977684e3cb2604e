import { useCallback, useEffect, useRef, useState } from 'react';
import { ChevronLeft, MessageCircleQuestion, Users } from 'lucide-react';
import { useConnection, useSession } from '../session/context';
import { forConversation } from '../session/drafts';
import { Bidi } from '../lib/Bidi';
import { usePhone } from '../lib/hooks';
import { namedIn } from '../lib/plain';
import { Face } from '../people/Dot';
import { PersonLine } from '../people/Line';
import { IconButton } from '../ui/Button';
import { Avatar } from '../ui/Avatar';
import { Empty, Skeleton } from '../ui/Empty';
import type { Beginning } from './beginning';
import { Composer, type ComposerHandle } from './Composer';
import { useChat, useMessages, type Conversation } from './hooks';
import { Members } from './Members';
import { MessageList } from './MessageList';
import { nameOf, otherOf } from './naming';
import css from './chat.module.css';

interface Props {
  /** Undefined while it is being begun. */
  id: string | undefined;
  beginning: Beginning | undefined;
  onBack: () => void;
}

/** A conversation, also one that is being begun: what is typed meanwhile stays. */
export function Thread({ id, beginning, onBack }: Props) {
  const { who } = useSession();
  const state = useConnection();
  const { conversations, ready, chat } = useChat();
  const phone = usePhone();
  const [listing, setListing] = useState(false);
  const composer = useRef<ComposerHandle>(null);
  const conversation = conversations.find((c) => c.id === id);
  const edit = useCallback((key: string, text: string) => {
    if (id === undefined) return;
    chat.discard(id, key);
    composer.current?.put(text);
  }, [chat, id]);

  useEffect(() => beginning?.write(), [beginning]);

  const me = who?.userId;
  const about = conversation ?? (beginning && { ...beginning.about, members: [...(me === undefined ? [] : [me]), ...beginning.about.members] });
  if (!about) {
    return (
      <section className={css.thread}>
        {ready ? (
          <Empty icon={<MessageCircleQuestion size={22} />} title="No such conversation">It does not exist, or you are no member of it.</Empty>
        ) : <Skeleton rows={6} height={56} />}
      </section>
    );
  }
  const name = nameOf(about, me);
  const group = about.kind === 'group';
  const other = otherOf(about, me);
  const count = conversation?.memberCount ?? about.members.length;
  const send = (text: string) => {
    // What fails is shown at the message itself.
    if (id !== undefined) chat.send(id, text).catch(() => {});
    else beginning?.later(text);
  };
  const note = id === undefined ? 'The conversation is being begun: what you send goes out then.'
    : state.name !== 'open' ? 'No connection: what you send goes out as soon as it is back.' : undefined;
  return (
    <section className={css.thread} aria-label={`Conversation: ${name}`}>
      <header className={css.threadHead}>
        {phone && <IconButton label="All conversations" onClick={onBack}><ChevronLeft size={20} /></IconButton>}
        {other === undefined ? <Avatar name={name} icon={<Users size={15} />} /> : <Face user={other} named={false} />}
        <div>
          <h2><Bidi>{name}</Bidi></h2>
          <p>{other === undefined ? members(about.members, count, me) : <PersonLine user={other} instead="Private conversation" />}</p>
        </div>
        {group && conversation && <IconButton label="Members" onClick={() => setListing(true)}><Users size={17} /></IconButton>}
      </header>
      {listing && conversation && (
        <Members name={name} members={conversation.members} count={conversation.memberCount} me={me} onClose={() => setListing(false)} />
      )}
      {conversation ? <Written conversation={conversation} onEdit={edit} /> : <div className={css.messagesBox} />}
      <Typing users={conversation ? chat.typing(conversation.id) : []} />
      <Composer
        ref={composer} draft={id !== undefined ? forConversation(id) : beginning!.draft} name={name} note={note} focus={beginning !== undefined}
        members={about.members.filter((member) => member !== me)} onSend={send}
      />
    </section>
  );
}

function Written({ conversation, onEdit }: { conversation: Conversation; onEdit: (key: string, text: string) => void }) {
  const { id, members: known, kind, unread } = conversation;
  const messages = useMessages(id);
  return <MessageList key={id} id={id} messages={messages} members={known} group={kind === 'group'} unread={unread} onEdit={onEdit} />;
}

function members(known: readonly string[], count: number, me: string | undefined): string {
  const shown = known.slice(0, 6).map((member) => (member === me ? 'you' : namedIn(member)));
  return count > shown.length ? `${shown.join(', ')} and ${count - shown.length} more` : shown.join(', ');
}

/** There once the server tells who is typing. */
function Typing({ users }: { users: readonly string[] }) {
  return (
    <p className={css.typing} role="status">
      {users.length > 0 && <><i aria-hidden /><i aria-hidden /><i aria-hidden />{users.map(namedIn).join(', ')} {users.length > 1 ? 'are' : 'is'} typing</>}
    </p>
  );
}
