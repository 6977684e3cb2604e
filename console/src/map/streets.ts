// Streets: the tiles of the server that the operator has named, over the outlines. Whether they come is found out by the
// tiles that are shown, as a server may have no others.
import type { Map as MapLibre } from 'maplibre-gl';
import type { Palette } from './palette';
import type { TileSource } from './tiles';

/** `loading` until the first tile has come or failed. */
export type StreetsState = 'off' | 'loading' | 'shown' | 'unreachable';

/** Milliseconds before tiles that could not be had are asked for again. */
const AGAIN = 15_000;
/** A tile that does not exist is an answer. */
const NOT_FOUND = 404;

export class Streets {
  #map: MapLibre;
  #source: TileSource | null = null;
  #state: StreetsState = 'off';
  #tell: (state: StreetsState) => void;
  #palette: Palette;
  #again: ReturnType<typeof setTimeout> | undefined;
  #end = new AbortController();

  constructor(map: MapLibre, palette: Palette, tell: (state: StreetsState) => void) {
    this.#map = map;
    this.#palette = palette;
    this.#tell = tell;
    map.on('data', (event) => {
      const { sourceId, tile } = event as unknown as { sourceId?: string; tile?: { state: string } };
      if (sourceId === 'tiles' && tile?.state === 'loaded') this.#come();
    });
    map.on('error', (event) => {
      const { sourceId, error } = event as unknown as { sourceId?: string; error: { status?: number } };
      // What fails on the map and is not looked at here belongs on the console.
      if (sourceId !== 'tiles') return console.error(error);
      if (error.status !== NOT_FOUND) this.#failed();
    });
    addEventListener('online', () => this.#retry(), { signal: this.#end.signal });
  }

  /** Shows these tiles, or none. */
  show(source: TileSource | null): void {
    if (source?.url === this.#source?.url) return;
    this.#source = source;
    this.#draw();
  }

  set palette(palette: Palette) {
    this.#palette = palette;
    if (this.#map.getLayer('tiles')) {
      for (const [name, value] of Object.entries(muted(palette))) this.#map.setPaintProperty('tiles', name as never, value as never);
    }
  }

  remove(): void {
    this.#end.abort();
    clearTimeout(this.#again);
  }

  #draw(): void {
    const map = this.#map;
    clearTimeout(this.#again);
    this.#again = undefined;
    // Its graphics are gone, and another map will take its place.
    if (!map.style) return;
    if (map.getLayer('tiles')) map.removeLayer('tiles');
    if (map.getSource('tiles')) map.removeSource('tiles');
    this.#set(this.#source ? 'loading' : 'off');
    if (!this.#source) return;
    const { url, attribution, max_zoom } = this.#source;
    map.addSource('tiles', { type: 'raster', tiles: [url], tileSize: 256, maxzoom: max_zoom, attribution });
    map.addLayer({ id: 'tiles', type: 'raster', source: 'tiles', paint: muted(this.#palette) }, 'trail-case');
  }

  #come(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    this.#set('shown');
  }

  #failed(): void {
    this.#set('unreachable');
    this.#again ??= setTimeout(() => this.#retry(), AGAIN);
  }

  #retry(): void {
    this.#again = undefined;
    if (this.#state === 'unreachable' && !this.#end.signal.aborted) this.#draw();
  }

  #set(state: StreetsState): void {
    // While they are tried again, nobody can tell yet that they are there.
    if (state === this.#state || (state === 'loading' && this.#state === 'unreachable')) return;
    this.#state = state;
    if (!this.#map.style) return;
    // Tiles have names of their own.
    this.#map.setLayoutProperty('cities', 'visibility', state === 'shown' ? 'none' : 'visible');
    this.#tell(state);
  }
}

/** Muted, so that markers stand out; in the dark theme light and dark change places. */
const muted = (p: Palette) => (p.dark
  ? { 'raster-saturation': -0.85, 'raster-brightness-min': 0.78, 'raster-brightness-max': 0.04, 'raster-contrast': -0.1 }
  : { 'raster-saturation': -0.55, 'raster-contrast': -0.12, 'raster-brightness-min': 0.12, 'raster-brightness-max': 1 });
