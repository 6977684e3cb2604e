import { lazy, Suspense, useState } from 'react';
import { useMay, useSession } from '../session/context';
import { Renew } from '../session/Renew';
import { usePlace } from '../router';
import { usePhone } from '../lib/hooks';
import { useKeptStatus } from '../people/own';
import { useWatching } from '../people/useWatching';
import { Toasts } from '../notices/Toasts';
import { SendNotice } from '../notices/SendNotice';
import { Skeleton } from '../ui/Empty';
import { Header } from './Header';
import { Rail, TabBar } from './Nav';
import { ForbiddenFleet, FleetView } from '../fleet/FleetView';
import { ChatView } from '../chat/ChatView';
import { useUnread } from '../chat/hooks';
import { LogView } from '../log/LogView';
import css from './shell.module.css';

const ConnectionView = lazy(() => import('../connection/ConnectionView').then((m) => ({ default: m.ConnectionView })));

export function Shell({ onToken }: { onToken: (token: string) => void }) {
  const place = usePlace();
  const phone = usePhone();
  const session = useSession();
  const [sending, setSending] = useState(false);
  const onMap = place.view === 'map' || place.view === 'agents';
  const unread = useUnread();
  useWatching(place.view === 'chat' ? place.id : undefined);
  useKeptStatus();
  const forbidden = useMay('watch_locations') === false;
  // The map stays when one leaves it: it is at once there again, and stands still meanwhile.
  const [seenMap, setSeenMap] = useState(onMap);
  if (onMap && !seenMap) setSeenMap(true);

  return (
    <div className={css.shell}>
      <a className={css.skip} href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus(); }}>
        Skip to content
      </a>
      {!phone && <Rail view={place.view} unread={unread} />}
      <Header onNotice={() => setSending(true)} />
      <Toasts />
      <main id="main" className={css.main} tabIndex={-1}>
        {forbidden ? onMap && <ForbiddenFleet /> : seenMap && (
          <FleetView fleet={session.fleet} place={place} hidden={!onMap} />
        )}
        {place.view === 'chat' && <ChatView id={place.id} />}
        {place.view === 'log' && <LogView />}
        {place.view === 'connection' && (
          <Suspense fallback={<Skeleton rows={6} />}><ConnectionView /></Suspense>
        )}
      </main>
      {phone && <TabBar view={place.view} unread={unread} />}
      {sending && <SendNotice onClose={() => setSending(false)} />}
      <Renew onToken={onToken} />
    </div>
  );
}
