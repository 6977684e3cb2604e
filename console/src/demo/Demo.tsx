import { useCallback, useEffect, useState } from 'react';
import { Tooltip } from 'radix-ui';
import { AgentList } from '../agents/AgentList';
import { frames } from '../lib/frames';
import { useNow } from '../lib/hooks';
import { MapCanvas } from '../map/MapCanvas';
import { MapControls } from '../map/MapControls';
import type { MapController } from '../map/controller';
import { useTiles } from '../map/tiles';
import { NOTHING } from '../trail/track';
import { Synthetic } from './synthetic';
import css from '../fleet/fleet.module.css';

/** `?demo=5000`: the same map and list as for real agents, with invented ones. */
export function Demo({ agents }: { agents: number }) {
  const [fleet] = useState(() => new Synthetic(agents));
  const [selected, setSelected] = useState<string | null>(null);
  const [map, setMap] = useState<MapController | null>(null);
  const tiles = useTiles(undefined, true);
  const release = useCallback(() => {}, []);
  useEffect(() => () => fleet.close(), [fleet]);
  return (
    <Tooltip.Provider>
      <div className={css.view}>
        <div className={css.list}><AgentList fleet={fleet} selected={selected} onSelect={setSelected} filter={<Rate />} /></div>
        <main className={css.stage}>
          <h1 className="sr">Synthetic agents</h1>
          <MapCanvas
            fleet={fleet} selected={selected} following={false} visible tiles={tiles.source} wakes={tiles.wakes} trail={NOTHING} covered={0}
            onPick={setSelected} onRelease={release} onReady={setMap} onStreets={tiles.setState}
          />
          <MapControls map={map} background={tiles} />
        </main>
      </div>
    </Tooltip.Provider>
  );
}

function Rate() {
  useNow(500);
  return <span className="num">{frames.read().fps.toFixed(0)} /s</span>;
}
