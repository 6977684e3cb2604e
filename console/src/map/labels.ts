// Text that hangs on markers: whom one points at, who is selected, and a spot on the trail. Plain elements, moved by
// transform, outside of React.
import { mercator } from '../lib/geo';
import { named } from '../lib/plain';
import type { MarkerLayer } from './markers/layer';

/** CSS pixels between a label and the map's edge. */
const MARGIN = 4;

export class Labels {
  #markers: MarkerLayer;
  #container: HTMLElement;
  #hover: HTMLElement;
  #selected: HTMLElement;
  #spot: HTMLElement;
  #hovered: string | null = null;
  #chosen: string | null = null;
  /** Half of what each label takes. */
  #halves = new Map<HTMLElement, number>();
  #place: { lat: number; lon: number } | null = null;

  constructor(container: HTMLElement, markers: MarkerLayer) {
    this.#markers = markers;
    this.#container = container;
    const make = (name: string) => {
      const element = document.createElement('div');
      element.className = name;
      element.hidden = true;
      element.dir = 'auto';
      container.append(element);
      return element;
    };
    this.#hover = make('agent-label hovered');
    this.#selected = make('agent-label');
    this.#spot = make('trail-spot');
  }

  hover(id: string | null): void {
    if (id === this.#hovered) return;
    this.#hovered = id;
    this.#hover.textContent = id === null ? '' : named(id);
    this.#halves.delete(this.#hover);
    this.#container.classList.toggle('pointing', id !== null);
    this.#markers.touch();
  }

  select(id: string | null): void {
    this.#chosen = id;
    this.#selected.textContent = id === null ? '' : named(id);
    this.#halves.delete(this.#selected);
  }

  spot(place: { lat: number; lon: number } | null): void {
    this.#place = place;
  }

  frame(now: number): void {
    const hovered = this.#hovered !== null && this.#hovered !== this.#chosen ? this.#markers.screen(this.#hovered, now) : undefined;
    const selected = this.#chosen === null ? undefined : this.#markers.screen(this.#chosen, now);
    const width = hovered || selected ? this.#container.clientWidth : 0;
    this.#over(this.#hover, hovered, width);
    this.#over(this.#selected, selected, width);
    move(this.#spot, this.#place ? this.#markers.project(mercator(this.#place.lat, this.#place.lon)) : undefined);
  }

  /** In the middle above a marker, or as near to that as the map's edges let it be read. */
  #over(element: HTMLElement, marker: { x: number; y: number } | undefined, width: number): void {
    element.hidden = marker === undefined;
    if (!marker) return;
    // Measured once for each text: the browser would lay the page out for it, every frame.
    let half = this.#halves.get(element);
    if (half === undefined) this.#halves.set(element, (half = element.offsetWidth / 2 + MARGIN));
    move(element, { x: within(marker.x, half, width), y: marker.y });
  }

  remove(): void {
    this.#hover.remove();
    this.#selected.remove();
    this.#spot.remove();
  }
}

/** A marker that is out of sight takes its label along. */
export function within(x: number, half: number, width: number): number {
  if (x < 0 || x > width || 2 * half > width) return x;
  return Math.min(Math.max(x, half), width - half);
}

function move(element: HTMLElement, to: { x: number; y: number } | undefined): void {
  element.hidden = to === undefined;
  if (to) element.style.transform = `translate(${to.x.toFixed(1)}px, ${to.y.toFixed(1)}px)`;
}
