import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { FeatureCollection } from 'geojson';
import type { Fleet } from '../fleet/fleet';
import { loadChunk } from '../lib/chunk';
import { exposeMap } from '../lib/expose';
import { useMedia } from '../lib/hooks';
import { Missing } from '../lib/LazyPart';
import { useTheme } from '../shell/theme';
import { Button } from '../ui/Button';
import type { MapController, View } from './controller';
import type { StreetsState } from './streets';
import type { TileSource } from './tiles';
import css from './map.module.css';

interface Props {
  fleet: Fleet;
  selected: string | null;
  following: boolean;
  visible: boolean;
  tiles: TileSource | null;
  wakes: boolean;
  trail: FeatureCollection;
  /** CSS pixels at the lower edge that something covers. */
  covered: number;
  onPick: (id: string | null) => void;
  onRelease: () => void;
  onReady: (map: MapController | null) => void;
  onStreets: (state: StreetsState) => void;
}

/** Why there is no map. */
type Trouble = 'missing' | 'webgl' | 'failed' | 'lost';

/** Milliseconds after which a map that lost its graphics is made anew, and within which that is not done twice. */
const ANEW = 1_000;
const TWICE = 30_000;

/** Whether the browser offers what the map draws with. */
function drawable(): boolean {
  const gl = document.createElement('canvas').getContext('webgl2');
  gl?.getExtension('WEBGL_lose_context')?.loseContext();
  return gl !== null;
}

/** The element that the map lives in. What changes by itself (markers) passes React by. */
export function MapCanvas({ fleet, selected, following, visible, tiles, wakes, trail, covered, onPick, onRelease, onReady, onStreets }: Props) {
  const element = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<MapController | null>(null);
  const [trouble, setTrouble] = useState<Trouble>();
  const [attempt, setAttempt] = useState(0);
  const still = useMedia('(prefers-reduced-motion: reduce)');
  const theme = useTheme();
  const told = useRef({ onPick, onRelease, onStreets });
  useEffect(() => { told.current = { onPick, onRelease, onStreets }; });
  /** Where the map looked that lost its graphics, and when. */
  const view = useRef<View>(undefined);
  const lostAt = useRef(-Infinity);

  useEffect(() => {
    if (!drawable()) return setTrouble('webgl');
    let made: MapController | undefined;
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const lost = () => {
      if (gone || !made || timer !== undefined) return;
      view.current = made.center;
      setTrouble('lost');
      const now = performance.now();
      const again = now - lostAt.current < TWICE;
      lostAt.current = now;
      if (!again) timer = setTimeout(() => setAttempt((n) => n + 1), ANEW);
    };
    loadChunk(() => import('./controller')).then(({ MapController }) => {
      if (gone || !element.current) return;
      try {
        made = new MapController(element.current, fleet, {
          onPick: (id) => told.current.onPick(id),
          onRelease: () => told.current.onRelease(),
          onStreets: (state) => told.current.onStreets(state),
          onLost: lost,
        }, still, view.current);
      } catch (error) {
        setTrouble('failed');
        return reportError(error);
      }
      setTrouble(undefined);
      setMap(made);
      onReady(made);
      exposeMap(made);
    }, () => { if (!gone) setTrouble('missing'); });
    return () => {
      gone = true;
      clearTimeout(timer);
      made?.remove();
      setMap(null);
      onReady(null);
      exposeMap(undefined);
    };
  }, [fleet, still, onReady, attempt]);

  useEffect(() => { if (map) map.visible = visible; }, [map, visible]);
  useEffect(() => { if (map) map.covered = covered; }, [map, covered]);
  useEffect(() => map?.theme(), [map, theme]);
  useEffect(() => map?.tiles(tiles), [map, tiles]);
  useEffect(() => map?.wakes(wakes), [map, wakes]);
  useEffect(() => map?.select(selected), [map, selected]);
  useEffect(() => map?.follow(following ? selected : null), [map, following, selected]);
  useEffect(() => map?.trail(trail), [map, trail]);

  const anew = <Button kind="quiet" onClick={() => setAttempt((n) => n + 1)}>Show the map again</Button>;
  const words: Record<Trouble, ReactNode> = {
    missing: <Missing name="map" />,
    webgl: <p role="alert">The map needs WebGL 2, which this browser does not offer here. Everything else works without it.</p>,
    failed: <p role="alert">The map could not be started. Everything else works without it. {anew}</p>,
    lost: <p role="alert">The browser has taken away the graphics that the map draws with. {anew}</p>,
  };
  return (
    <div className={css.canvas}>
      <div ref={element} className={css.map} data-ready={map ? '' : undefined} />
      {trouble && <div className={css.broken}>{words[trouble]}</div>}
    </div>
  );
}
