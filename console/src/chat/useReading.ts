// Where a list of messages stands, and what of it has been read: it opens at the first unread message, follows the end for
// those who are there, and counts as read only what was on the screen of a page that somebody looks at.
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type RefObject } from 'react';
import { useConnection, useSession } from '../session/context';
import { useChat, type Messages } from './hooks';
import { ReadMark } from './marks';
import { after, firstUnread, reaching, seenTo } from './unread';

/** CSS pixels from the end within which one counts as being there. */
const NEAR = 60;
/** What stays above the line when the list opens at it. */
const ABOVE = 24;

/** Whether somebody looks at this page, as far as a page can know. */
export const watchedPage = (): boolean => document.visibilityState === 'visible' && document.hasFocus();

export interface Reading {
  /** The message above which the line stands. */
  line: string | undefined;
  /** More are unread than are loaded. */
  far: boolean;
  /** Until it stands where it opens. */
  opening: boolean;
  /** The end is not on the screen. */
  away: boolean;
  /** Unread messages below the screen. */
  below: number;
  toEnd: () => void;
  onScroll: () => void;
}

/** `unread`: of this conversation when it was opened. */
export function useReading(id: string, messages: Messages, unread: number, scroller: RefObject<HTMLDivElement | null>): Reading {
  const { chat } = useChat();
  const { client } = useSession();
  const open = useConnection().name === 'open';
  const { items, more, loading, error } = messages;
  const [expected] = useState(unread);
  const [phase, setPhase] = useState<'opening' | 'placing' | 'open'>(expected > 0 ? 'opening' : 'open');
  const [line, setLine] = useState<string>();
  const [far, setFar] = useState(false);
  const [{ away, below }, setEnd] = useState({ away: false, below: 0 });
  const atEnd = useRef(true);
  /** The newest position that has been on the screen; undefined until the first messages are there. */
  const seen = useRef<number>(undefined);
  const before = useRef<{ first?: string | undefined; last?: string | undefined; height: number }>({ height: 0 });
  const mark = useRef<ReadMark>(undefined);
  /** Whether an empty list is one: it is opened by an effect, and reads then. */
  const [settled, setSettled] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(true));
    return () => clearTimeout(timer);
  }, []);
  const newest = items.findLast(({ seq }) => seq !== undefined)?.seq;

  useEffect(() => {
    const made = new ReadMark(client, id);
    mark.current = made;
    return () => made.close();
  }, [client, id]);

  /** The first message of others that has not been on the screen. */
  const fresh = useCallback(() => items.find(({ seq, mine }) => seq !== undefined && !mine && seq > (seen.current ?? 0)), [items]);

  /** To the end, but not past what nobody has seen. */
  const follow = useCallback(() => {
    const element = scroller.current!;
    const next = fresh();
    const row = next && element.querySelector<HTMLElement>(`[data-seq="${next.seq}"]`);
    // With its author, and the line above it.
    const group = row?.parentElement?.parentElement;
    const before = group?.previousElementSibling;
    const start = before?.hasAttribute('data-new') ? before : group;
    const top = start ? start.getBoundingClientRect().top - element.getBoundingClientRect().top + element.scrollTop - ABOVE : Infinity;
    element.scrollTop = Math.max(element.scrollTop, Math.min(element.scrollHeight - element.clientHeight, top));
  }, [fresh, scroller]);

  /** Takes note of what is on the screen now. */
  const look = useCallback(() => {
    const element = scroller.current;
    if (!element || phase !== 'open') return;
    if (newest === undefined) {
      if (settled && !loading && !error && items.length === 0 && watchedPage()) chat.read(id);
      return;
    }
    atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
    if (watchedPage()) {
      const boxes = [...element.querySelectorAll<HTMLElement>('[data-seq]')].map((row) => {
        const { top, bottom } = row.getBoundingClientRect();
        return { seq: Number(row.dataset.seq), top, bottom };
      });
      const to = seenTo(boxes, element.getBoundingClientRect());
      if (to !== undefined && to > (seen.current ?? 0)) seen.current = to;
      // What came since this was drawn has not been on the screen.
      if (seen.current === newest && chat.messages(id).items === items) chat.read(id);
      else if (seen.current) mark.current?.move(seen.current);
    }
    const left = after(items, seen.current ?? 0);
    setEnd((old) => (old.away === !atEnd.current && old.below === left ? old : { away: !atEnd.current, below: left }));
  }, [chat, id, items, newest, phase, scroller, settled, loading, error]);

  // Reads older pages until the first unread message is there, within bounds.
  useEffect(() => {
    if (phase !== 'opening' || loading) return;
    if (items.length === 0) {
      // Nothing is left of what was unread.
      if (settled || error) setPhase('open');
      return;
    }
    const next = error ? 'far' : reaching(items, expected, more);
    if (next === 'load') {
      chat.older(id).catch(() => {});
      return;
    }
    const first = firstUnread(items, expected) ?? items.find(({ seq, mine }) => seq !== undefined && !mine)?.key;
    setFar(next === 'far');
    setLine(first);
    const seq = items.find(({ key }) => key === first)?.seq;
    seen.current = seq === undefined ? newest : seq - 1;
    setPhase('placing');
  }, [chat, id, items, loading, more, error, phase, expected, newest, settled]);

  useLayoutEffect(() => {
    const element = scroller.current!;
    if (phase === 'opening') return;
    if (phase === 'placing') {
      follow();
      before.current = { first: items[0]?.key, last: items.at(-1)?.key, height: element.scrollHeight };
      setPhase('open');
      return;
    }
    // Another log, in which positions mean something else; or the first messages, all of them read.
    if (newest !== undefined && (seen.current === undefined || seen.current > newest)) seen.current = newest;
    const { first, last, height } = before.current;
    const end = items.at(-1);
    const sent = end !== undefined && end.key !== last && end.mine && last !== undefined;
    // Older ones that come in above push nothing away; new ones at the end are followed by those who were there.
    const grewAbove = first !== undefined && items[0]?.key !== first && items.some(({ key }) => key === first);
    if (sent) {
      // Who writes has read.
      if (newest !== undefined) seen.current = newest;
      setLine(undefined);
      element.scrollTop = element.scrollHeight;
    } else if (atEnd.current) follow();
    else if (grewAbove) element.scrollTop += element.scrollHeight - height;
    before.current = { first: items[0]?.key, last: items.at(-1)?.key, height: element.scrollHeight };
    look();
    // What has just come and was not seen stands below a line of its own, if all before it was seen.
    const next = fresh();
    if (next && last !== undefined && items.indexOf(next) > items.findIndex(({ key }) => key === last)) setLine(next.key);
  }, [items, loading, phase, newest, look, follow, fresh, scroller]);

  // Somebody looks again, or the connection is back and may not know yet.
  useEffect(() => {
    if (open) look();
    document.addEventListener('visibilitychange', look);
    addEventListener('focus', look);
    return () => {
      document.removeEventListener('visibilitychange', look);
      removeEventListener('focus', look);
    };
  }, [look, open]);

  // Its own height changes, too: a keyboard comes up, the composer grows.
  useEffect(() => {
    const sized = new ResizeObserver(() => {
      if (atEnd.current) follow();
      look();
    });
    sized.observe(scroller.current!);
    return () => sized.disconnect();
  }, [follow, look, scroller]);

  const onScroll = () => {
    const element = scroller.current!;
    if (phase !== 'open') return;
    before.current.height = element.scrollHeight;
    look();
    if (element.scrollTop < 240 && more && !loading) void chat.older(id).catch(() => {});
  };
  const toEnd = () => {
    scroller.current!.scrollTop = scroller.current!.scrollHeight;
    look();
  };
  return { line, far, opening: phase !== 'open', away, below, toEnd, onScroll };
}
