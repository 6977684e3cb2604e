// The map's colours, read from the tokens of the theme that shows.
import type { Colors } from './markers/layer';
import { parseColor } from './markers/layer';

export interface Palette {
  sea: string;
  land: string;
  coast: string;
  border: string;
  grid: string;
  label: string;
  halo: string;
  accent: string;
  wake: string;
  markers: Colors;
  dark: boolean;
}

export function palette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const color = (name: string) => parseColor(token(name));
  return {
    sea: token('map-sea'),
    land: token('map-land'),
    coast: token('map-coast'),
    border: token('map-border'),
    grid: token('map-grid'),
    label: token('map-label'),
    halo: token('map-halo'),
    accent: token('accent'),
    wake: token('map-wake'),
    markers: {
      live: color('agent-live'),
      late: color('agent-late'),
      stale: color('agent-stale'),
      edge: color('agent-edge'),
      ring: color('agent-ring'),
    },
    dark: document.documentElement.dataset.theme !== 'light',
  };
}
