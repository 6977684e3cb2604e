import { useCallback, useMemo, useRef, useState, type CSSProperties } from 'react';
import { EyeOff } from 'lucide-react';
import { AgentCard } from '../agents/AgentCard';
import { AgentList } from '../agents/AgentList';
import { useHeight, usePhone } from '../lib/hooks';
import type { MapController } from '../map/controller';
import { MapCanvas } from '../map/MapCanvas';
import { MapControls } from '../map/MapControls';
import { useTiles } from '../map/tiles';
import { go, type Place } from '../router';
import { useMay, useSession } from '../session/context';
import { drawn, NOTHING } from '../trail/track';
import { TrailPanel } from '../trail/TrailPanel';
import { useTrail, type Window } from '../trail/useTrail';
import { Empty } from '../ui/Empty';
import { DepartmentFilter } from './DepartmentFilter';
import type { LiveFleet } from './fleet';
import { useMessage } from './useMessage';
import css from './fleet.module.css';

interface Props {
  fleet: LiveFleet;
  place: Place;
  hidden: boolean;
}

/** List, map and card: three views of one fleet and of one selection, which stands in the address. */
export function FleetView({ fleet, place, hidden }: Props) {
  const phone = usePhone();
  const session = useSession();
  const watches = useMay('watch_locations') === true;
  const [map, setMap] = useState<MapController | null>(null);
  const [following, setFollowing] = useState<string | null>(null);
  const [window, setWindow] = useState<Window>('15');
  const tiles = useTiles(session.ask, !hidden && watches);
  const message = useMessage();
  // What was selected stays so while one looks at another view.
  const last = useRef<string | null>(null);
  if (!hidden) last.current = place.view === 'agents' ? place.id ?? null : null;
  const selected = last.current;

  const trail = useTrail(fleet, selected, window);
  const line = useMemo(() => (selected === null ? NOTHING : drawn(trail.fixes)), [selected, trail.fixes]);
  const select = useCallback((id: string | null) => {
    setFollowing((before) => (before === id ? before : null));
    go(id === null ? { view: 'map' } : { view: 'agents', id });
  }, []);
  const pick = useCallback((id: string | null) => {
    // A click beside the markers closes the card; without one it does nothing.
    if (id !== null || last.current !== null) select(id);
  }, [select]);
  const release = useCallback(() => setFollowing(null), []);
  const reader = phone && place.view === 'agents' && place.id === undefined;
  const me = session.who?.userId;
  const [card, sheet] = useHeight();
  const covered = phone && selected !== null ? sheet : 0;

  return (
    <div className={css.view} hidden={hidden} data-reader={reader || undefined} data-card={selected !== null || undefined}>
      {(!phone || reader) && (
        <div className={css.list}>
          <AgentList fleet={fleet} selected={selected} onSelect={select} filter={<DepartmentFilter fleet={fleet} />} />
        </div>
      )}
      <div className={css.stage} style={{ '--covered': `${covered}px` } as CSSProperties}>
        <MapCanvas
          fleet={fleet} selected={selected} following={following !== null && following === selected} visible={!hidden && !reader}
          tiles={tiles.source} wakes={tiles.wakes} trail={line} covered={covered}
          onPick={pick} onRelease={release} onReady={setMap} onStreets={tiles.setState}
        />
        <MapControls map={map} background={tiles} />
      </div>
      {selected !== null && (
        <div className={css.card} ref={card}>
          <div className={css.scroller}>
            <AgentCard
              key={selected} fleet={fleet} id={selected} following={following === selected}
              onFollow={(on) => setFollowing(on ? selected : null)} onClose={() => select(null)}
              {...(selected !== me && { onMessage: message })}
            >
              <TrailPanel trail={trail} window={window} onWindow={setWindow} onSpot={(fix) => map?.spot(fix)} />
            </AgentCard>
          </div>
        </div>
      )}
    </div>
  );
}

export function ForbiddenFleet() {
  const talks = useMay('converse');
  return (
    <Empty icon={<EyeOff size={22} />} title="Positions are not yours to see">
      Your role may not watch where others are{talks ? '. Chat, notices and the event log work as usual.' : ', nor take part in conversations.'}
    </Empty>
  );
}
