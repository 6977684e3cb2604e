// For tests only, where the address asks for it by `?test`: what the page is doing, in numbers.
import type { Session } from '../session/session';
import type { MapController } from '../map/controller';
import { frames, type Cost } from './frames';

interface Exposed {
  client?: Session['client'];
  session?: Session;
  map?: MapController;
  frames: () => Cost;
  resetFrames: () => void;
}

declare global {
  interface Window {
    __fanfare?: Exposed;
  }
}

/** The map comes later than the rest, and goes. */
export function exposeMap(map: MapController | undefined): void {
  if (!window.__fanfare) return;
  if (map) window.__fanfare.map = map;
  else delete window.__fanfare.map;
}

export function expose(more: { session?: Session }): void {
  window.__fanfare = {
    ...window.__fanfare,
    ...more,
    ...(more.session && { client: more.session.client }),
    frames: () => frames.read(),
    resetFrames: () => frames.reset(),
  };
}
