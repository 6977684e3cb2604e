// Tells of what happens elsewhere: by the page's title and icon always, by notifications and sounds for those who asked.
import { useEffect, useRef } from 'react';
import { usePeople } from 'fanfare-client/react';
import { useChat } from '../chat/hooks';
import { nameOf } from '../chat/naming';
import { watchedPage } from '../chat/useReading';
import { named, short } from '../lib/plain';
import { channel, FOLDER, holdLock, notify } from '../lib/storage';
import { go, parse } from '../router';
import { useOwner, useSession, useValue } from '../session/context';
import dotted from '../styles/icon-dot.svg';
import icon from '../styles/icon.svg';
import { calls, title } from './rules';
import { isOn } from './settings';
import { play, unlock } from './sound';

/** Another tab, or another device, may show it: so long it has time to say so. */
const ELSEWHERE = 800;
/** Things seen elsewhere that are remembered. */
const SEEN = 50;

export function useAttention(): void {
  const session = useSession();
  const { client, notices } = session;
  const owner = useOwner();
  const { chat, totalUnread } = useChat();
  const people = usePeople();
  const open = useValue(notices, () => notices.open);
  const urgent = open.some(({ priority }) => priority === 'urgent');
  const marked = totalUnread > 0 || open.length > 0;

  useEffect(() => {
    document.title = title(totalUnread, urgent);
    return () => { document.title = title(0, false); };
  }, [totalUnread, urgent]);
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>('link[rel=icon]');
    if (link) link.href = marked ? dotted : icon;
    return () => { if (link) link.href = icon; };
  }, [marked]);

  useEffect(unlock, []);

  // Of several tabs one speaks.
  const speaks = useRef(false);
  useEffect(() => {
    if (owner === undefined) return;
    const release = holdLock(`fanfare-console:attention:${FOLDER}:${owner}`, () => { speaks.current = true; });
    return () => {
      speaks.current = false;
      release();
    };
  }, [owner]);

  // What another tab shows to somebody is no news for this one.
  const elsewhereSeen = useRef<{ add: (key: string) => void; has: (key: string) => boolean }>(undefined);
  useEffect(() => {
    const elsewhere = new Set<string>();
    if (owner === undefined) return;
    const others = channel(`fanfare-console:seen:${FOLDER}:${owner}`, (key) => {
      elsewhere.add(String(key));
      if (elsewhere.size > SEEN) elsewhere.delete(elsewhere.values().next().value!);
    });
    elsewhereSeen.current = { add: (key) => others.send(key), has: (key) => elsewhere.has(key) };
    return () => {
      elsewhereSeen.current = undefined;
      others.close();
    };
  }, [owner]);

  useEffect(() => {
    const timers = new Set<ReturnType<typeof setTimeout>>();
    const soon = (then: () => void) => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        then();
      }, ELSEWHERE);
      timers.add(timer);
    };
    const tell = (head: string, body: string, tag: string, onClick: () => void) => {
      if (!speaks.current) return;
      if (isOn('sound')) play();
      if (isOn('notifications')) notify(head, { body, tag, icon }, () => { window.focus(); onClick(); });
    };
    const me = () => session.who?.userId;
    const offs = [
      client.on('message:new', ({ at, by, seq, data }) => {
        const id = data.conversation_id;
        const place = parse(location.hash);
        const key = `${id}/${seq}`;
        const seen = watchedPage() && place.view === 'chat' && place.id === id;
        if (seen) elsewhereSeen.current?.add(key);
        if (!calls({ at, seen, mine: by === me(), urgent: false }, people.mine, client.now())) return;
        soon(() => {
          const conversation = chat.snapshot.conversations.find((one) => one.id === id);
          // Read meanwhile, in another tab or on another device.
          if (!conversation || conversation.unread === 0 || people.mine === 'busy' || elsewhereSeen.current?.has(key)) return;
          const name = nameOf(conversation, me());
          const head = conversation.kind === 'private' ? name : `${named(by)} in ${name}`;
          tell(head, short(data.text, 200), key, () => go({ view: 'chat', id }));
        });
      }),
      client.on('system:broadcast', ({ at, by, client_id: key, data }) => {
        const urgent = data.priority === 'urgent';
        const notice = `${by}/${key}`;
        const seen = watchedPage();
        if (seen) elsewhereSeen.current?.add(notice);
        if (!calls({ at, seen, mine: by === me(), urgent }, people.mine, client.now())) return;
        soon(() => {
          if (elsewhereSeen.current?.has(notice)) return;
          tell(`${urgent ? 'Urgent notice' : 'Notice'} from ${named(by)}`, short(data.message, 200), notice, () => {});
        });
      }),
    ];
    return () => {
      for (const off of offs) off();
      for (const timer of timers) clearTimeout(timer);
    };
  }, [client, chat, people, session]);
}
