// Where agents have been lately, as faint lines: without tiles, the roads appear by themselves. A canvas between the map
// and the markers, to which each new piece is added; all of it is drawn anew only when the map has come to rest elsewhere,
// and now and then, for the old to fade. While the map moves, the picture moves with it.
import type { Map as MapLibre } from 'maplibre-gl';
import { mercator, shortest, type Point } from '../lib/geo';
import { JUMP } from './markers/motion';
import { Ring } from './ring';

/** Pieces kept, of all agents together: the newest. */
const KEPT = 24_576;
/** Seconds until a piece has faded, and between drawings of all that make it so. */
const FADE = 600;
const RENEW = 30;
/** Steps of fading: each is one stroke. */
const STEPS = 5;
/** Of the world's width: moves of less than some 60 m are not worth a piece. */
const LEAST = 1.5e-6;

interface View {
  x: number;
  y: number;
  world: number;
  width: number;
  height: number;
}

export class Wakes {
  #map: MapLibre;
  #canvas = document.createElement('canvas');
  #context: CanvasRenderingContext2D;
  #ring = new Ring(KEPT);
  #last = new Map<string, Point>();
  #color: string;
  #on = true;
  /** What the canvas shows, and pieces up to which it does. */
  #view: View | undefined;
  #drawn = 0;
  #renewed = 0;
  #stroked = 0;

  constructor(map: MapLibre, color: string) {
    this.#map = map;
    this.#color = color;
    this.#canvas.className = 'wakes';
    this.#canvas.setAttribute('aria-hidden', 'true');
    this.#context = this.#canvas.getContext('2d')!;
    map.getCanvasContainer().append(this.#canvas);
    map.on('move', this.#move);
    map.on('moveend', this.#renew);
    map.on('resize', this.#renew);
  }

  set color(color: string) {
    this.#color = color;
    this.#renew();
  }

  set on(on: boolean) {
    this.#on = on;
    this.#canvas.hidden = !on;
    if (on) this.#renew();
  }

  /** An agent is at this place now. */
  add(id: string, fix: { lat: number; lon: number }, now: number): void {
    const to = mercator(fix.lat, fix.lon);
    const from = this.#last.get(id);
    const far = from ? Math.hypot(shortest(to.x - from.x), to.y - from.y) : 0;
    if (from && far < LEAST) return;
    this.#last.set(id, to);
    if (from && far < JUMP) this.#ring.add(from.x, from.y, from.x + shortest(to.x - from.x), to.y, now);
  }

  forget(id: string): void {
    this.#last.delete(id);
  }

  /** Adds what is new. Called once a frame, does something twice a second at most. */
  frame(now: number): void {
    if (!this.#on || !this.#view || this.#drawn === this.#ring.added || this.#map.isMoving()) return;
    if (now - this.#renewed > RENEW) return this.#renew();
    if (now - this.#stroked < 0.5) return;
    this.#stroke(this.#drawn, this.#ring.added, 1, this.#view);
    this.#drawn = this.#ring.added;
    this.#stroked = now;
  }

  remove(): void {
    this.#map.off('move', this.#move);
    this.#map.off('moveend', this.#renew);
    this.#map.off('resize', this.#renew);
    this.#canvas.remove();
  }

  #look(): View {
    const { lat, lng } = this.#map.getCenter();
    const { clientWidth: width, clientHeight: height } = this.#map.getContainer();
    return { ...mercator(lat, lng), world: 512 * 2 ** this.#map.getZoom(), width, height };
  }

  #move = (): void => {
    if (!this.#view || !this.#on) return;
    const to = this.#look();
    const { x, y, world } = this.#view;
    const dx = shortest(x - to.x) * to.world;
    const dy = (y - to.y) * to.world;
    this.#canvas.style.transform = `translate(${dx.toFixed(1)}px, ${dy.toFixed(1)}px) scale(${to.world / world})`;
  };

  #renew = (): void => {
    const now = performance.now() / 1000;
    const view = this.#look();
    const ratio = devicePixelRatio;
    this.#view = view;
    this.#renewed = now;
    this.#drawn = this.#ring.added;
    this.#canvas.style.transform = '';
    // Clears it, too.
    this.#canvas.width = Math.round(view.width * ratio);
    this.#canvas.height = Math.round(view.height * ratio);
    if (!this.#on) return;
    let from = this.#ring.oldest;
    for (let step = STEPS - 1; step >= 0; step--) {
      const to = this.#ring.until(now - (step * FADE) / STEPS);
      this.#stroke(from, to, 1 - step / STEPS, view);
      from = Math.max(from, to);
    }
  };

  #stroke(from: number, to: number, strength: number, view: View): void {
    if (to <= from) return;
    const { x, y, world, width, height } = view;
    const context = this.#context;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.beginPath();
    this.#ring.each(from, to, (x0, y0, x1, y1) => {
      const ax = width / 2 + shortest(x0 - x) * world;
      const ay = height / 2 + (y0 - y) * world;
      const bx = ax + (x1 - x0) * world;
      const by = height / 2 + (y1 - y) * world;
      if (Math.max(ax, bx) < 0 || Math.min(ax, bx) > width || Math.max(ay, by) < 0 || Math.min(ay, by) > height) return;
      context.moveTo(ax, ay);
      context.lineTo(bx, by);
    });
    context.strokeStyle = this.#color;
    context.lineWidth = 1;
    // From afar many lie on each other, so each is fainter.
    context.globalAlpha = strength * Math.max(0.06, Math.min(0.5, (Math.log2(world) - 15) / 10));
    context.stroke();
  }
}
