// Text that hangs on markers: whom one points at, who is selected, and a spot on the trail. Plain elements, moved by
// transform, outside of React.
import { mercator } from '../lib/geo';
import type { MarkerLayer } from './markers/layer';

export class Labels {
  #markers: MarkerLayer;
  #container: HTMLElement;
  #hover: HTMLElement;
  #selected: HTMLElement;
  #spot: HTMLElement;
  #hovered: string | null = null;
  #chosen: string | null = null;
  #place: { lat: number; lon: number } | null = null;

  constructor(container: HTMLElement, markers: MarkerLayer) {
    this.#markers = markers;
    this.#container = container;
    const make = (name: string) => {
      const element = document.createElement('div');
      element.className = name;
      element.hidden = true;
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
    this.#hover.textContent = id ?? '';
    this.#container.classList.toggle('pointing', id !== null);
    this.#markers.touch();
  }

  select(id: string | null): void {
    this.#chosen = id;
    this.#selected.textContent = id ?? '';
  }

  spot(place: { lat: number; lon: number } | null): void {
    this.#place = place;
  }

  frame(now: number): void {
    const hovered = this.#hovered !== null && this.#hovered !== this.#chosen ? this.#markers.screen(this.#hovered, now) : undefined;
    move(this.#hover, hovered);
    move(this.#selected, this.#chosen === null ? undefined : this.#markers.screen(this.#chosen, now));
    move(this.#spot, this.#place ? this.#markers.project(mercator(this.#place.lat, this.#place.lon)) : undefined);
  }

  remove(): void {
    this.#hover.remove();
    this.#selected.remove();
    this.#spot.remove();
  }
}

function move(element: HTMLElement, to: { x: number; y: number } | undefined): void {
  element.hidden = to === undefined;
  if (to) element.style.transform = `translate(${to.x.toFixed(1)}px, ${to.y.toFixed(1)}px)`;
}
