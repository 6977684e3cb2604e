import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { ArrowDown, History } from 'lucide-react';
import { day } from '../lib/format';
import { useNow } from '../lib/hooks';
import { Avatar } from '../ui/Avatar';
import { Button } from '../ui/Button';
import { Empty, Skeleton } from '../ui/Empty';
import { placed } from './groups';
import { useChat, type Messages } from './hooks';
import { Bubble } from './Bubble';
import css from './chat.module.css';

/** CSS pixels from the end within which one counts as being there. */
const NEAR = 60;

interface Props {
  id: string;
  messages: Messages;
  members: readonly string[];
  group: boolean;
}

export function MessageList({ id, messages, members, group }: Props) {
  const { chat } = useChat();
  const { items, more, loading, gap } = messages;
  const scroller = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const before = useRef<{ first?: string | undefined; last?: string | undefined; height: number }>({ height: 0 });
  const [below, setBelow] = useState(false);
  const now = useNow(60_000);
  const shown = useMemo(() => placed(items), [items]);
  const known = useMemo(() => new Set(members), [members]);
  const newest = items.at(-1)?.key;
  const retry = useCallback((key: string) => void chat.retry(id, key).catch(() => {}), [chat, id]);

  // Older ones that come in above push nothing away; new ones at the end are followed by those who were there.
  useLayoutEffect(() => {
    const element = scroller.current!;
    const { first, height } = before.current;
    const grewAbove = first !== undefined && items[0]?.key !== first && items.some(({ key }) => key === first);
    if (atEnd.current) element.scrollTop = element.scrollHeight;
    else if (grewAbove) element.scrollTop += element.scrollHeight - height;
    if (!atEnd.current && before.current.last !== items.at(-1)?.key) setBelow(true);
    before.current = { first: items[0]?.key, last: items.at(-1)?.key, height: element.scrollHeight };
  }, [items, loading]);

  // Read is what a person can see: the newest, in a page that shows.
  useEffect(() => {
    const read = () => {
      if (document.visibilityState === 'visible' && atEnd.current && newest !== undefined) chat.read(id);
    };
    read();
    document.addEventListener('visibilitychange', read);
    return () => document.removeEventListener('visibilitychange', read);
  }, [chat, id, newest, below]);

  // Its own height changes, too: a keyboard comes up, the composer grows.
  useEffect(() => {
    const element = scroller.current!;
    const sized = new ResizeObserver(() => { if (atEnd.current) element.scrollTop = element.scrollHeight; });
    sized.observe(element);
    return () => sized.disconnect();
  }, []);

  const onScroll = () => {
    const element = scroller.current!;
    atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
    before.current.height = element.scrollHeight;
    if (atEnd.current) setBelow(false);
    if (element.scrollTop < 240 && more && !loading) void chat.older(id).catch(() => {});
  };
  const toEnd = () => {
    atEnd.current = true;
    scroller.current!.scrollTop = scroller.current!.scrollHeight;
    setBelow(false);
  };

  return (
    <div className={css.messagesBox}>
      <div ref={scroller} className={css.messages} role="log" aria-label="Messages" aria-live="polite" tabIndex={0} onScroll={onScroll}>
        {items.length === 0 && (loading ? <Skeleton rows={6} height={52} /> : (
          <Empty icon={<History size={22} />} title="Nothing written yet">Say hello: everyone here sees it at once.</Empty>
        ))}
        {items.length > 0 && (more || loading) && (
          <p className={css.older}>
            {loading ? 'Loading older messages …' : <Button kind="quiet" onClick={() => void chat.older(id).catch(() => {})}>Show older messages</Button>}
          </p>
        )}
        {gap && <p className={css.gap}>Some messages between were not loaded.</p>}
        {shown.map(({ item, day: newDay, first, last }) => (
          <div key={item.key}>
            {newDay && <p className={css.day}><span>{day(item.at, now)}</span></p>}
            <div className={css.group} data-mine={item.mine || undefined} data-first={first || undefined}>
              {!item.mine && group && (first ? <Avatar name={item.by} /> : <span className={css.noAvatar} />)}
              <div className={css.bubbles}>
                {!item.mine && group && first && <p className={css.author}>{item.by}</p>}
                <Bubble message={item} members={known} last={last} onRetry={retry} />
              </div>
            </div>
          </div>
        ))}
      </div>
      {below && <button type="button" className={css.toEnd} onClick={toEnd}><ArrowDown size={14} aria-hidden /> New messages</button>}
    </div>
  );
}
