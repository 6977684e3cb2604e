import { Fragment, useCallback, useMemo, useRef } from 'react';
import { ArrowDown, History } from 'lucide-react';
import { Name } from '../lib/Bidi';
import { clock, count, day } from '../lib/format';
import { named } from '../lib/plain';
import { useServerNow } from '../session/context';
import { Avatar } from '../ui/Avatar';
import { Button } from '../ui/Button';
import { Empty, Skeleton } from '../ui/Empty';
import { placed } from './groups';
import { useChat, type Messages } from './hooks';
import { Bubble } from './Bubble';
import { REACH } from './unread';
import { useReading } from './useReading';
import css from './chat.module.css';

interface Props {
  id: string;
  messages: Messages;
  members: readonly string[];
  group: boolean;
  /** When it was opened. */
  unread: number;
  onEdit: (key: string, text: string) => void;
}

export function MessageList({ id, messages, members, group, unread, onEdit }: Props) {
  const { chat } = useChat();
  const { items, more, loading, gap } = messages;
  const scroller = useRef<HTMLDivElement>(null);
  const { line, far, opening, away, below, toEnd, onScroll } = useReading(id, messages, unread, scroller);
  const now = useServerNow(60_000);
  const shown = useMemo(() => placed(items), [items]);
  const known = useMemo(() => new Set(members), [members]);
  const retry = useCallback((key: string) => void chat.retry(id, key).catch(() => {}), [chat, id]);
  const waits = opening && items.length > 0;

  return (
    <div className={css.messagesBox}>
      <div
        ref={scroller} className={css.messages} role="log" aria-label="Messages" aria-live="polite" aria-busy={waits || undefined}
        data-opening={waits || undefined} tabIndex={0} onScroll={onScroll}
      >
        {items.length === 0 && (loading || opening ? <Skeleton rows={6} height={52} /> : (
          <Empty icon={<History size={22} />} title="Nothing written yet">Say hello: everyone here sees it at once.</Empty>
        ))}
        {/* It has its place also when there are none: what one looks at must not move. */}
        {items.length > 0 && (
          <p className={css.older}>
            {loading ? 'Loading older messages …' : more && <Button kind="quiet" onClick={() => void chat.older(id).catch(() => {})}>Show older messages</Button>}
          </p>
        )}
        {far && more && <p className={css.gap}>More than {count(REACH)} messages are unread: the oldest of them are not loaded yet.</p>}
        {gap && <p className={css.gap}>Some messages between were not loaded.</p>}
        {shown.map(({ item, day: newDay, first, last }) => (
          <Fragment key={item.key}>
            {newDay && <p className={css.day}><span>{day(item.at, now)}</span></p>}
            {item.key === line && <p className={css.new} data-new role="separator" aria-label="New messages"><span>New</span></p>}
            {item.unreadable ? <p className={css.gap} data-seq={item.seq}>The message of {clock(item.at)} cannot be read any more.</p> : <div className={css.group} data-mine={item.mine || undefined} data-first={first || undefined}>
              {!item.mine && group && (first ? <Avatar name={named(item.by)} /> : <span className={css.noAvatar} />)}
              <div className={css.bubbles}>
                {!item.mine && group && first && <p className={css.author}><Name id={item.by} /></p>}
                <Bubble conversation={id} message={item} members={known} group={group} last={last} onRetry={retry} onEdit={onEdit} />
              </div>
            </div>}
          </Fragment>
        ))}
      </div>
      {waits && <div className={css.cover}><Skeleton rows={6} height={52} /></div>}
      {away && !opening && items.length > 0 && (
        <button type="button" className={css.toEnd} onClick={toEnd} aria-label={below > 0 ? `Jump to newest, ${below} new` : 'Jump to newest'}>
          <ArrowDown size={14} aria-hidden /> {below > 0 ? `${below} new` : 'Newest'}
        </button>
      )}
    </div>
  );
}
