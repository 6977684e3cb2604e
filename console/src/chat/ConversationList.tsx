import { useState } from 'react';
import { MessagesSquare, SquarePen, Users } from 'lucide-react';
import { useServerNow, useSession } from '../session/context';
import { href } from '../router';
import { Bidi } from '../lib/Bidi';
import { clock, day } from '../lib/format';
import { namedIn, short } from '../lib/plain';
import { matches } from '../lib/search';
import { Face } from '../people/Dot';
import { IconButton } from '../ui/Button';
import { Avatar } from '../ui/Avatar';
import { Empty, Skeleton } from '../ui/Empty';
import { SearchField } from '../ui/Field';
import { useChat, type Conversation } from './hooks';
import { nameOf, otherOf } from './naming';
import { usePreviews } from './usePreviews';
import css from './chat.module.css';

export function ConversationList({ selected, onNew }: { selected: string | undefined; onNew: () => void }) {
  const { conversations, ready } = useChat();
  usePreviews();
  const { who } = useSession();
  const now = useServerNow(60_000);
  const [search, setSearch] = useState('');
  const word = search.trim();
  // In the order in which the client has them: the newest first.
  const shown = conversations.filter((c) => matches(nameOf(c, who?.userId), word));
  return (
    <nav className={css.list} aria-label="Conversations">
      <div className={css.listHead}>
        <SearchField label="Search conversations" value={search} onChange={setSearch} />
        <IconButton label="New conversation" onClick={onNew}><SquarePen size={17} /></IconButton>
      </div>
      {!ready && conversations.length === 0 ? <Skeleton rows={7} height={60} /> : shown.length === 0 ? (
        <Empty icon={<MessagesSquare size={22} />} title={word ? 'None with this name' : 'No conversations yet'}>
          {word ? undefined : 'Those that you begin, or are invited to, are listed here.'}
        </Empty>
      ) : (
        <ul className={css.conversations}>
          {shown.map((c) => <Line key={c.id} conversation={c} me={who?.userId} current={c.id === selected} now={now} />)}
        </ul>
      )}
    </nav>
  );
}

interface LineProps {
  conversation: Conversation;
  me: string | undefined;
  current: boolean;
  now: number;
}

function Line({ conversation, me, current, now }: LineProps) {
  const name = nameOf(conversation, me);
  const other = otherOf(conversation, me);
  const { last, unread } = conversation;
  const when = last && (day(last.at, now) === 'Today' ? clock(last.at) : day(last.at, now));
  return (
    <li>
      <a href={href({ view: 'chat', id: conversation.id })} aria-current={current ? 'page' : undefined} className={css.line} data-unread={unread > 0 || undefined}>
        {other === undefined ? <Avatar name={name} size="l" icon={<Users size={17} />} /> : <Face user={other} size="l" />}
        <span className={css.lineText}>
          <span className={css.lineTop}>
            <strong><Bidi>{name}</Bidi></strong>
            {when && <time className="num">{when}</time>}
          </span>
          <span className={css.lineBottom}>
            <span><Bottom conversation={conversation} me={me} /></span>
            {unread > 0 && <span className={css.unread}>{unread > 99 ? '99+' : unread}<span className="sr"> unread</span></span>}
          </span>
        </span>
      </a>
    </li>
  );
}

/** Characters of a message that a line can show at most. */
const PREVIEW = 160;

function Bottom({ conversation: { kind, last, memberCount }, me }: { conversation: Conversation; me: string | undefined }) {
  if (!last) return kind === 'group' ? `${memberCount} members` : 'Nothing written yet';
  const by = last.by === me ? 'You: ' : kind === 'group' ? `${namedIn(last.by)}: ` : '';
  return <>{by}<Bidi>{short(last.text, PREVIEW)}</Bidi></>;
}
