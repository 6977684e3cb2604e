// From afar markers lie on each other; then bubbles say how many they are. A click on one goes there.
import type { Map as MapLibre } from 'maplibre-gl';
import { count } from '../lib/format';
import { latitude, longitude } from '../lib/geo';
import { group, type Group } from './grid';
import type { MarkerLayer } from './markers/layer';

/** Bubbles show below this zoom. */
const BELOW = 8.5;
/** CSS pixels of a cell, agents of a group, and bubbles, at least and at most. */
const CELL = 84;
const LEAST = 6;
const MOST = 60;
/** Seconds between groupings while nothing but agents moves. */
const EVERY = 1;

export class Clusters {
  #map: MapLibre;
  #markers: MarkerLayer;
  #shown: { group: Group; element: HTMLButtonElement }[] = [];
  #grouped = 0;
  #zoom = -1;

  constructor(map: MapLibre, markers: MarkerLayer) {
    this.#map = map;
    this.#markers = markers;
  }

  frame(now: number): void {
    const zoom = this.#map.getZoom();
    // Whole steps, so that groups do not dance while one zooms.
    const level = Math.floor(zoom * 2) / 2;
    if (level !== this.#zoom || now - this.#grouped > EVERY) {
      this.#zoom = level;
      this.#grouped = now;
      this.#group(level);
    }
    for (const { group: { x, y }, element } of this.#shown) {
      const at = this.#markers.project({ x, y });
      element.style.transform = `translate(${at.x.toFixed(1)}px, ${at.y.toFixed(1)}px) translate(-50%, -50%)`;
    }
  }

  #group(zoom: number): void {
    const { columns } = this.#markers;
    const groups = zoom >= BELOW ? [] : group((visit) => columns.each(visit), CELL / (512 * 2 ** zoom), LEAST).slice(0, MOST);
    while (this.#shown.length > groups.length) this.#shown.pop()!.element.remove();
    for (const [i, found] of groups.entries()) {
      const shown = (this.#shown[i] ??= { group: found, element: this.#make(i) });
      shown.group = found;
      const text = count(found.count);
      if (shown.element.textContent === text) continue;
      shown.element.textContent = text;
      shown.element.setAttribute('aria-label', `${text} agents: go there`);
      shown.element.style.setProperty('--size', `${Math.round(24 + Math.min(24, Math.log2(found.count) * 3))}px`);
    }
  }

  #make(index: number): HTMLButtonElement {
    const element = document.createElement('button');
    element.type = 'button';
    element.className = 'cluster';
    element.addEventListener('click', (event) => {
      event.stopPropagation();
      const to = this.#shown[index]?.group;
      if (to) this.#map.easeTo({ center: [longitude(to.x), latitude(to.y)], zoom: Math.max(this.#map.getZoom() + 3, 8.6), duration: 600 });
    });
    this.#map.getCanvasContainer().append(element);
    return element;
  }

  remove(): void {
    for (const { element } of this.#shown) element.remove();
    this.#shown = [];
  }
}
