// Where the map looks: all agents, one of them, or after one as it drives.
import { LngLatBounds, type Map as MapLibre } from 'maplibre-gl';
import { latitude, longitude, middle, middleArc } from '../lib/geo';
import type { MarkerLayer } from './markers/layer';

/** CSS pixels that an agent may be from the edge before the map comes after it. */
const MARGIN = 90;

export class Camera {
  covered = 0;
  #map: MapLibre;
  #markers: MarkerLayer;
  #following: string | null = null;
  #still: boolean;

  constructor(map: MapLibre, markers: MarkerLayer, onRelease: () => void, reducedMotion: boolean) {
    this.#map = map;
    this.#markers = markers;
    this.#still = reducedMotion;
    map.on('dragstart', () => {
      if (this.#following === null) return;
      this.#following = null;
      onRelease();
    });
  }

  follow(id: string | null): void {
    this.#following = id;
    if (id === null) return;
    const at = this.#markers.columns.at(id, performance.now() / 1000);
    if (at && this.#map.getZoom() < 12) this.#map.jumpTo({ center: this.#above(at, 13.5), zoom: 13.5 });
    this.#markers.touch();
  }

  /** Keeps up with the agent that is followed. */
  frame(now: number): void {
    if (this.#following === null || this.#map.isZooming()) return;
    const at = this.#markers.columns.at(this.#following, now);
    if (!at) return;
    const shown = this.#markers.project(at);
    const { clientWidth, clientHeight } = this.#map.getContainer();
    const off = Math.hypot(shown.x - clientWidth / 2, shown.y - (clientHeight - this.covered) / 2);
    // The map draws anew for each move, so one of less than a pixel is not worth it.
    if (off > 0.75) this.#map.jumpTo({ center: this.#above(at, this.#map.getZoom()) });
  }

  /** Shows all agents, or where most of them are: a few that are far off make nobody else small. */
  fit(animate: boolean, most = 1): void {
    const xs: number[] = [];
    const ys: number[] = [];
    this.#markers.columns.each((_, x, y) => {
      xs.push(x);
      ys.push(y);
    });
    if (xs.length === 0) return;
    const [west, east] = middleArc(xs, most);
    const [north, south] = middle(ys, most);
    const bounds = new LngLatBounds([longitude(west), latitude(south)], [longitude(east), latitude(north)]);
    const room = Math.min(72, this.#map.getContainer().clientWidth / 8);
    this.#map.fitBounds(bounds, {
      padding: { top: room, left: room, right: room, bottom: room + this.covered },
      maxZoom: 15, animate: animate && !this.#still, duration: 700,
    });
  }

  /** Brings an agent into view, if it is not. */
  show(id: string): void {
    const now = performance.now() / 1000;
    const at = this.#markers.columns.at(id, now);
    const shown = this.#markers.screen(id, now);
    if (!at || !shown) return;
    const { clientWidth, clientHeight } = this.#map.getContainer();
    const seen = shown.x > MARGIN && shown.x < clientWidth - MARGIN && shown.y > MARGIN && shown.y < clientHeight - this.covered - MARGIN;
    const zoom = Math.max(this.#map.getZoom(), 12);
    if (seen && zoom === this.#map.getZoom()) return;
    this.#map.easeTo({ center: this.#above(at, zoom), zoom, animate: !this.#still, duration: 600 });
  }

  /** The centre that shows a point in the middle of what is not covered. */
  #above(at: { x: number; y: number }, zoom: number): [number, number] {
    return [longitude(at.x), latitude(at.y + this.covered / 2 / (512 * 2 ** zoom))];
  }
}
