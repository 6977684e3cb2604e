// The map and all that moves on it, apart from React: it hears of changes from the fleet itself, and tells React only what
// people did (picked an agent, dragged the map).
import { AttributionControl, Map as MapLibre, ScaleControl, setWorkerUrl, type GeoJSONSource } from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?url';
import 'maplibre-gl/dist/maplibre-gl.css';
import './map.css';
import type { FeatureCollection } from 'geojson';
import type { Fleet } from '../fleet/fleet';
import { Camera } from './camera';
import { Clusters } from './clusters';
import { graticule } from './graticule';
import { Labels } from './labels';
import { MarkerLayer } from './markers/layer';
import { palette } from './palette';
import { Positions } from './positions';
import { Streets, type StreetsState } from './streets';
import { layers, style } from './style';
import type { TileSource } from './tiles';
import { Wakes } from './wakes';

setWorkerUrl(new URL(workerUrl, location.href).href);

/** The part of the agents that the map opens on. */
const MOST = 0.86;

export interface Told {
  /** An agent was picked, or the empty map (null). */
  onPick: (id: string | null) => void;
  /** Following ended because somebody moved the map. */
  onRelease: () => void;
  onStreets: (state: StreetsState) => void;
  /** The browser took away what the map draws with: this map shows nothing any more. */
  onLost: () => void;
}

/** Where the map looks. */
export interface View {
  lat: number;
  lon: number;
  zoom: number;
}

export class MapController {
  #map: MapLibre;
  #markers: MarkerLayer;
  #labels: Labels;
  #clusters: Clusters;
  #camera: Camera;
  #fleet: Fleet;
  #off: () => void;
  #streets: Streets;
  #positions: Positions;
  #loaded: Promise<void>;
  #wakes: Wakes;
  /** Agents when the map last went to them by itself; it goes on while they become many more and nobody has moved it. */
  #seen = 0;
  #touched = false;

  /** `view`: where a map looked that this one replaces. */
  constructor(container: HTMLElement, fleet: Fleet, told: Told, reducedMotion: boolean, view?: View) {
    this.#fleet = fleet;
    const colors = palette();
    const map = new MapLibre({
      container, style: style(colors), center: view ? [view.lon, view.lat] : [10, 25], zoom: view?.zoom ?? 1.4, minZoom: 0.5, maxZoom: 19,
      attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false, rollEnabled: false,
      fadeDuration: 120, canvasContextAttributes: { antialias: false, powerPreference: 'high-performance' },
    });
    this.#map = map;
    this.#touched = view !== undefined;
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    map.getCanvas().setAttribute('aria-label', 'Map of agents. Arrow keys move it, plus and minus zoom. The list of agents tells the same in words.');
    map.addControl(new AttributionControl({ compact: true }), 'bottom-right');
    map.addControl(new ScaleControl({ maxWidth: 90 }), 'bottom-left');
    this.#loaded = new Promise((resolve) => void map.once('load', () => resolve()));

    this.#streets = new Streets(map, colors, told.onStreets);
    this.#wakes = new Wakes(map, colors.wake);
    this.#markers = new MarkerLayer(map, colors.markers, !reducedMotion, () => fleet.now());
    this.#labels = new Labels(map.getCanvasContainer(), this.#markers);
    this.#clusters = new Clusters(map, this.#markers);
    this.#positions = new Positions(fleet, this.#markers.columns, this.#wakes);
    this.#camera = new Camera(map, this.#markers, told.onRelease, reducedMotion);
    this.#markers.beforeFrame = (now) => this.#camera.frame(now);
    this.#markers.afterFrame = (now) => {
      this.#labels.frame(now);
      this.#clusters.frame(now);
      this.#wakes.frame(now);
    };

    map.on('click', ({ point }) => told.onPick(this.#markers.pick(point.x, point.y) ?? null));
    map.on('mousemove', ({ point }) => this.#labels.hover(this.#markers.pick(point.x, point.y) ?? null));
    map.on('mouseout', () => this.#labels.hover(null));
    map.on('moveend', () => this.#grid());
    // Only what a person does comes with an event of theirs.
    map.on('movestart', ({ originalEvent }) => { if (originalEvent) this.#touched = true; });

    map.on('webglcontextlost', told.onLost);
    this.#markers.onLost = told.onLost;

    this.#grid();
    const now = performance.now() / 1000;
    for (const agent of fleet.agents.values()) this.#positions.set(agent, now);
    this.#off = fleet.onChange((change) => {
      this.#positions.take(change, performance.now() / 1000);
      this.#first();
    });
    this.#first();
    this.#markers.start();
  }

  /** Where it opens: on the agents, once they are known. */
  #first(): void {
    const { size } = this.#markers.columns;
    if (this.#touched || this.#fleet.state !== 'live' || size < this.#seen * 2 || size === 0) return;
    this.#seen = size;
    this.#camera.fit(false, MOST);
  }

  #grid(): void {
    const { _sw, _ne } = this.#map.getBounds();
    const bounds = { west: _sw.lng, south: _sw.lat, east: _ne.lng, north: _ne.lat };
    this.#whenLoaded(() => this.#source('grid')?.setData(graticule(bounds)));
  }

  /** A map that has lost its context, or was removed, has no style. */
  #whenLoaded(then: () => void): void {
    void this.#loaded.then(() => { if (this.#map.style) then(); });
  }

  #source(id: string): GeoJSONSource | undefined {
    return this.#map.getSource(id);
  }

  /** Shows who is selected, and brings them into view. */
  select(id: string | null): void {
    this.#markers.selected = id;
    this.#labels.select(id);
    this.#markers.touch();
    this.#touched ||= id !== null;
    if (id !== null) this.#camera.show(id);
  }

  follow(id: string | null): void {
    this.#camera.follow(id);
  }

  fit(): void {
    this.#touched = true;
    this.#camera.fit(true);
  }

  zoom(by: 1 | -1): void {
    if (by > 0) this.#map.zoomIn();
    else this.#map.zoomOut();
  }

  /** What covers the lower edge of the map, so that what is shown is shown above it. */
  set covered(pixels: number) {
    this.#camera.covered = pixels;
  }

  trail(data: FeatureCollection): void {
    this.#whenLoaded(() => this.#source('trail')?.setData(data));
  }

  /** A place along the trail, as pointed at in its chart. */
  spot(place: { lat: number; lon: number } | null): void {
    this.#labels.spot(place);
    this.#markers.touch();
  }

  tiles(source: TileSource | null): void {
    this.#whenLoaded(() => this.#streets.show(source));
  }

  /** Takes over the colours of the theme. */
  theme(): void {
    const colors = palette();
    this.#markers.colors = colors.markers;
    this.#wakes.color = colors.wake;
    this.#whenLoaded(() => {
      for (const { id, paint } of layers(colors)) {
        for (const [name, value] of Object.entries(paint ?? {})) this.#map.setPaintProperty(id, name as never, value as never);
      }
      this.#streets.palette = colors;
    });
  }

  /** Whether lines show where agents have been lately. */
  wakes(on: boolean): void {
    this.#wakes.on = on;
  }

  /** Stands still while nobody looks. */
  set visible(visible: boolean) {
    if (visible) {
      this.#map.resize();
      this.#markers.start();
    } else this.#markers.stop();
  }

  /** For tests: where an agent is on the page, and where the map looks. */
  where(id: string) {
    return this.#markers.screen(id);
  }

  get moving(): boolean {
    return this.#map.isMoving();
  }

  get center(): View {
    const { lat, lng } = this.#map.getCenter();
    return { lat, lon: lng, zoom: this.#map.getZoom() };
  }

  remove(): void {
    this.#off();
    this.#streets.remove();
    this.#clusters.remove();
    this.#wakes.remove();
    this.#labels.remove();
    this.#markers.remove();
    this.#map.remove();
  }
}

