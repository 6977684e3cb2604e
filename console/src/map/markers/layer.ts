// A canvas over the map that shows the markers. It is apart from the map's own so that a moving marker does not make the
// map draw its land and tiles again, which costs ten times as much. React takes no part in any of this.
import type { Map as MapLibre } from 'maplibre-gl';
import { frames } from '../../lib/frames';
import { mercator, shortest, type Point } from '../../lib/geo';
import { Columns } from './columns';
import { Program, type Color, type Frame } from './program';

export type Colors = Frame['colors'];

/** The map moved so far from the origin (of the world's width) that floats get coarse at close zoom. */
const REBASE = 0.002;

export class MarkerLayer {
  readonly columns: Columns;
  selected: string | null = null;
  /** Called before each frame, with the time in seconds: to follow an agent. */
  beforeFrame: ((now: number) => void) | undefined;
  /** The browser has taken the canvas's context away. */
  onLost: (() => void) | undefined;
  /** Called after each frame, for what hangs on markers: labels. */
  afterFrame: ((now: number) => void) | undefined;

  #map: MapLibre;
  #canvas: HTMLCanvasElement;
  #program: Program | undefined;
  #colors: Colors;
  #wall: () => number;
  #request = 0;
  #running = false;
  #dirty = true;
  #drawn = -1;
  #lastWall = 0;
  #counted = 0;
  #room = 100;
  #end = new AbortController();

  /** `wall` is the time in ms that ages of positions are counted to. */
  constructor(map: MapLibre, colors: Colors, animate: boolean, wall: () => number) {
    this.#map = map;
    this.#wall = wall;
    this.#colors = colors;
    this.columns = new Columns(animate);
    this.#canvas = document.createElement('canvas');
    this.#canvas.className = 'markers';
    this.#canvas.setAttribute('aria-hidden', 'true');
    map.getCanvasContainer().append(this.#canvas);
    this.#open();
    const { signal } = this.#end;
    this.#canvas.addEventListener('webglcontextlost', (event) => {
      event.preventDefault();
      this.#program = undefined;
      this.onLost?.();
    }, { signal });
    this.#canvas.addEventListener('webglcontextrestored', () => this.#open(), { signal });
    // In the same frame as the map, else markers would lag behind it while it is dragged.
    map.on('render', this.#withMap);
    map.on('resize', this.#resize);
    this.#resize();
  }

  set colors(colors: Colors) {
    this.#colors = colors;
    this.#dirty = true;
  }

  /** Something changed that needs a frame. */
  touch(): void {
    this.#dirty = true;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#dirty = true;
    this.#request = requestAnimationFrame(this.#tick);
  }

  stop(): void {
    this.#running = false;
    cancelAnimationFrame(this.#request);
    frames.pause();
  }

  remove(): void {
    this.stop();
    this.#end.abort();
    this.#map.off('render', this.#withMap);
    this.#map.off('resize', this.#resize);
    this.#canvas.getContext('webgl2')?.getExtension('WEBGL_lose_context')?.loseContext();
    this.#canvas.remove();
  }

  /** Where a marker is shown, in CSS pixels. */
  screen(id: string, now = performance.now() / 1000): { x: number; y: number } | undefined {
    const place = this.columns.at(id, now);
    return place && this.project(place);
  }

  project(place: Point): { x: number; y: number } {
    const { center, world, width, height } = this.#view();
    return { x: width / 2 + shortest(place.x - center.x) * world, y: height / 2 + (place.y - center.y) * world };
  }

  /** The agent under a place on the screen. */
  pick(x: number, y: number, radius = 14): string | undefined {
    const { center, world, width, height } = this.#view();
    const point = { x: center.x + (x - width / 2) / world, y: center.y + (y - height / 2) / world };
    return this.columns.nearest(point, radius / world, performance.now() / 1000);
  }

  /** CSS pixels from one marker in view to the next, as if they stood in a grid. Counted anew now and then. */
  #crowd(): number {
    const now = performance.now();
    if (now - this.#counted > 500) {
      this.#counted = now;
      const { center, world, width, height } = this.#view();
      let seen = 0;
      this.columns.each((_, x, y) => {
        if (Math.abs(shortest(x - center.x)) * world < width / 2 && Math.abs(y - center.y) * world < height / 2) seen++;
      });
      const room = Math.sqrt((width * height) / Math.max(1, seen));
      // Not by every agent that comes or goes, which would make all of them twitch.
      if (Math.abs(room - this.#room) > this.#room * 0.15) this.#room = room;
    }
    return this.#room;
  }

  #open(): void {
    const gl = this.#canvas.getContext('webgl2', { alpha: true, antialias: false, depth: false, premultipliedAlpha: true });
    this.#program = gl ? new Program(gl) : undefined;
    this.#dirty = true;
  }

  #view() {
    const { clientWidth: width, clientHeight: height } = this.#map.getContainer();
    const { lat, lng } = this.#map.getCenter();
    return { center: mercator(lat, lng), world: 512 * 2 ** this.#map.getZoom(), width, height };
  }

  #resize = (): void => {
    const { clientWidth, clientHeight } = this.#map.getContainer();
    const ratio = devicePixelRatio;
    this.#canvas.width = Math.round(clientWidth * ratio);
    this.#canvas.height = Math.round(clientHeight * ratio);
    this.#dirty = true;
  };

  #withMap = (): void => {
    if (this.#running) this.#draw(performance.now());
  };

  #tick = (): void => {
    if (!this.#running) return;
    this.#request = requestAnimationFrame(this.#tick);
    const now = performance.now();
    const seconds = now / 1000;
    this.beforeFrame?.(seconds);
    const moving = seconds < this.columns.busyUntil;
    // Where nothing moves, colours still age.
    const aged = now - this.#lastWall > 1000;
    if (!moving) frames.pause();
    if (!moving && !aged && !this.#dirty && this.#drawn === this.columns.version) return;
    this.#draw(now);
    if (moving) frames.frame(now, performance.now() - now);
  };

  #draw(now: number): void {
    if (!this.#program) return;
    const view = this.#view();
    const { origin } = this.columns;
    if (Math.hypot(shortest(view.center.x - origin.x), view.center.y - origin.y) > REBASE && view.world > 512 * 2 ** 8) {
      this.columns.rebase(view.center);
    }
    this.#program.draw(this.columns, {
      ...view,
      ratio: devicePixelRatio,
      now: now / 1000,
      wall: this.#wall() / 1000 - this.columns.epoch,
      size: markerSize(this.#map.getZoom(), this.#crowd()),
      colors: this.#colors,
      selected: this.selected === null ? undefined : this.columns.row(this.selected),
    });
    this.#dirty = false;
    this.#drawn = this.columns.version;
    this.#lastWall = now;
    this.afterFrame?.(now / 1000);
  }
}

/** CSS pixels: dots from afar, arrows from near. `room` is what each marker in view has, on average. */
export function markerSize(zoom: number, room: number): number {
  const k = Math.max(0, Math.min(1, (zoom - 6) / 7));
  return Math.max(7, Math.min(8 + k * 16, room));
}

/** `#rrggbb` or `#rgb` as three numbers of 0 to 1. */
export function parseColor(hex: string): Color {
  const digits = hex.trim().slice(1);
  // Builds shorten #ffffff.
  const value = Number.parseInt(digits.length === 3 ? digits.replace(/./g, '$&$&') : digits, 16);
  return [((value >> 16) & 255) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}
