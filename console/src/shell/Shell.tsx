import { lazy, Suspense, useEffect, useState } from 'react';
import { useSession, useShows } from '../session/context';
import { Ending } from '../session/Ending';
import { NotYet } from '../session/NotYet';
import { Renew } from '../session/Renew';
import { replace, start, usePlace } from '../router';
import { usePhone } from '../lib/hooks';
import { useKeptStatus } from '../people/own';
import { useWatching } from '../people/useWatching';
import { Toasts } from '../notices/Toasts';
import { SendNotice } from '../notices/SendNotice';
import { useAttention } from '../attention/useAttention';
import { Skeleton } from '../ui/Empty';
import { Bars } from './Bars';
import { Boundary } from './Boundary';
import { Header } from './Header';
import { Rail, TabBar } from './Nav';
import { ForbiddenFleet, FleetView } from '../fleet/FleetView';
import { ChatView } from '../chat/ChatView';
import { useBegun, useUnread } from '../chat/hooks';
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
  useAttention();
  useBegun();
  const map = useShows('watch_locations');
  const chat = useShows('converse');
  // What one may not see is not where one begins.
  useEffect(() => {
    if (place.view === 'start' && map !== undefined && chat !== undefined) replace({ view: start({ map, chat }) });
  }, [place, map, chat]);
  // The map stays when one leaves it: it is at once there again, and stands still meanwhile.
  const card = place.view === 'agents' && place.id !== undefined;
  const [seenMap, setSeenMap] = useState(false);
  if (onMap && map && !seenMap) setSeenMap(true);

  return (
    <div className={css.shell}>
      <a className={css.skip} href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus(); }}>
        Skip to content
      </a>
      {!phone && <Rail view={place.view} unread={unread} />}
      <Header onNotice={() => setSending(true)} />
      <div className={css.layer} data-beside={onMap && map ? (card && !phone ? 'card' : 'map') : undefined}>
        <Toasts />
        <Ending onToken={onToken} />
        <NotYet onToken={onToken} />
        <Bars />
      </div>
      <main id="main" className={css.main} tabIndex={-1}>
        {place.view === 'start' && <Skeleton rows={6} />}
        {onMap && map === undefined && <Skeleton rows={6} />}
        {map === false ? onMap && <ForbiddenFleet /> : seenMap && map && (
          <div hidden={!onMap}><Boundary view={onMap ? 'map' : 'other'}><FleetView fleet={session.fleet} place={place} hidden={!onMap} /></Boundary></div>
        )}
        {!onMap && (
          <Boundary key={place.view} view={'id' in place ? `${place.view}/${place.id}` : place.view}>
            {place.view === 'chat' && <ChatView id={place.id} />}
            {place.view === 'log' && <LogView />}
            {place.view === 'connection' && (
              <Suspense fallback={<Skeleton rows={6} />}><ConnectionView /></Suspense>
            )}
          </Boundary>
        )}
      </main>
      {phone && <TabBar view={place.view} unread={unread} />}
      {sending && <SendNotice onClose={() => setSending(false)} />}
      <Renew onToken={onToken} />
    </div>
  );
}
