import { useEffect, useRef, useState } from 'react';
import type { FeatureCollection } from 'geojson';
import type { Fleet } from '../fleet/fleet';
import { exposeMap } from '../lib/expose';
import { useMedia } from '../lib/hooks';
import { useTheme } from '../shell/theme';
import type { MapController } from './controller';
import css from './map.module.css';

interface Props {
  fleet: Fleet;
  selected: string | null;
  following: boolean;
  visible: boolean;
  tiles: boolean;
  wakes: boolean;
  trail: FeatureCollection;
  /** CSS pixels at the lower edge that something covers. */
  covered: number;
  onPick: (id: string | null) => void;
  onRelease: () => void;
  onReady: (map: MapController | null) => void;
}

/** Whether the browser offers what the map draws with. */
function drawable(): boolean {
  const gl = document.createElement('canvas').getContext('webgl2');
  gl?.getExtension('WEBGL_lose_context')?.loseContext();
  return gl !== null;
}

/** The element that the map lives in. What changes by itself (markers) passes React by. */
export function MapCanvas({ fleet, selected, following, visible, tiles, wakes, trail, covered, onPick, onRelease, onReady }: Props) {
  const element = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<MapController | null>(null);
  const [broken, setBroken] = useState(false);
  const still = useMedia('(prefers-reduced-motion: reduce)');
  const theme = useTheme();
  const told = useRef({ onPick, onRelease });
  useEffect(() => { told.current = { onPick, onRelease }; });

  useEffect(() => {
    if (!drawable()) return setBroken(true);
    let made: MapController | undefined;
    let gone = false;
    void import('./controller').then(
      ({ MapController }) => {
        if (gone || !element.current) return;
        made = new MapController(element.current, fleet, {
          onPick: (id) => told.current.onPick(id),
          onRelease: () => told.current.onRelease(),
        }, still);
        setMap(made);
        onReady(made);
        exposeMap(made);
      },
    ).catch((error: unknown) => {
      setBroken(true);
      reportError(error);
    });
    return () => {
      gone = true;
      made?.remove();
      setMap(null);
      onReady(null);
      exposeMap(undefined);
    };
  }, [fleet, still, onReady]);

  useEffect(() => { if (map) map.visible = visible; }, [map, visible]);
  useEffect(() => { if (map) map.covered = covered; }, [map, covered]);
  useEffect(() => map?.theme(), [map, theme]);
  useEffect(() => map?.tiles(tiles), [map, tiles]);
  useEffect(() => map?.wakes(wakes), [map, wakes]);
  useEffect(() => map?.select(selected), [map, selected]);
  useEffect(() => map?.follow(following ? selected : null), [map, following, selected]);
  useEffect(() => map?.trail(trail), [map, trail]);

  return (
    <div className={css.canvas}>
      <div ref={element} className={css.map} data-ready={map ? '' : undefined} />
      {broken && <p role="alert" className={css.broken}>The map needs WebGL 2, which this browser does not offer here. Everything else works without it.</p>}
    </div>
  );
}
