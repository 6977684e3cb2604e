import { Layers, LocateFixed, Minus, Plus } from 'lucide-react';
import { IconButton } from '../ui/Button';
import { Menu, MenuCheck, MenuLine, MenuRadio } from '../ui/Menu';
import type { MapController } from './controller';
import type { useTiles } from './tiles';
import css from './map.module.css';

interface Props {
  map: MapController | null;
  background: ReturnType<typeof useTiles>;
}

export function MapControls({ map, background }: Props) {
  const { choice, choose, configured, wakes, chooseWakes, note } = background;
  return (
    <>
    {note && <p className={css.note} role="status">{note}</p>}
    <div className={css.controls} role="group" aria-label="Map">
      <div className={css.stack}>
        <IconButton label="Zoom in" side="left" disabled={!map} onClick={() => map?.zoom(1)}><Plus size={17} /></IconButton>
        <IconButton label="Zoom out" side="left" disabled={!map} onClick={() => map?.zoom(-1)}><Minus size={17} /></IconButton>
      </div>
      <div className={css.stack}>
        <IconButton label="Show all agents" side="left" disabled={!map} onClick={() => map?.fit()}><LocateFixed size={17} /></IconButton>
      </div>
      <div className={css.stack}>
        <Menu
          side="left" align="start"
          trigger={<button type="button" className={css.layers} aria-label="Map background" title="Map background"><Layers size={17} /></button>}
        >
          {configured && (
            <>
              <MenuRadio
                label="Background" value={choice} onChange={choose}
                options={[{ value: 'auto', label: 'Streets' }, { value: 'off', label: 'Outlines only' }]}
              />
              <MenuLine />
            </>
          )}
          <MenuCheck checked={wakes} onChange={chooseWakes}>Recent paths of agents</MenuCheck>
        </Menu>
      </div>
    </div>
    </>
  );
}
