// What lies under the agents: the operator's tiles, if there are any, and choices that are kept.
import { useEffect, useState } from 'react';
import { forBrowser } from '../lib/storage';
import type { StreetsState } from './streets';

/** Tiles as the server's configuration names them. */
export interface TileSource {
  url: string;
  /** HTML. */
  attribution: string;
  max_zoom: number;
}

/** As `/api/v1/map` answers. */
interface MapSettings {
  tiles?: { url: string; attribution?: string; attribution_url?: string; max_zoom: number } | null;
}

export type TilesChoice = 'auto' | 'off';
const KEY = 'fanfare:tiles';
const WAKES = 'fanfare:paths';
/** Milliseconds before the server is asked again what it could not say. */
const AGAIN = 5_000;

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string) => text.replace(/[&<>"']/g, (char) => ENTITIES[char]!);

/** Text and address as the map shows them, which takes HTML. */
export function tileSource({ tiles }: MapSettings, base: string): TileSource | null {
  if (!tiles) return null;
  const text = escaped(tiles.attribution ?? '');
  const link = tiles.attribution_url;
  // Braces of the template are no part of an address; a path is one of the page's own server.
  const url = tiles.url.startsWith('/') ? new URL(base).origin + tiles.url : tiles.url;
  return {
    url,
    max_zoom: tiles.max_zoom,
    attribution: link ? `<a href="${escaped(link)}" target="_blank" rel="noreferrer">${text}</a>` : text,
  };
}

/** `configured`: absent until the server has said it, null where there are none. */
export function useTiles(ask: ((path: string) => Promise<unknown>) | undefined, wanted: boolean) {
  const [choice, setChoice] = useState<TilesChoice>(() => (forBrowser.get(KEY) === 'off' ? 'off' : 'auto'));
  const [configured, setConfigured] = useState<TileSource | null>();
  const [state, setState] = useState<StreetsState>('off');
  useEffect(() => {
    if (!wanted || configured !== undefined) return;
    if (!ask) return setConfigured(null);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let gone = false;
    const look = () => {
      ask('api/v1/map').then(
        (told) => { if (!gone) setConfigured(tileSource(told as MapSettings, location.href)); },
        () => { if (!gone) timer = setTimeout(look, AGAIN); },
      );
    };
    look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [ask, wanted, configured]);
  const [wakes, setWakes] = useState(() => forBrowser.get(WAKES) !== 'off');
  const chooseWakes = (on: boolean) => {
    forBrowser.set(WAKES, on ? 'on' : 'off');
    setWakes(on);
  };
  const choose = (wanted: TilesChoice) => {
    forBrowser.set(KEY, wanted);
    setChoice(wanted);
  };
  const source = choice === 'auto' ? configured ?? null : null;
  return { choice, choose, configured, source, state, setState, wakes, chooseWakes, note: note(choice, configured, state) };
}

/** What is said on the map where streets are missing. */
export function note(choice: TilesChoice, configured: TileSource | null | undefined, state: StreetsState): string | undefined {
  if (configured === null) return 'Streets are not configured';
  if (choice === 'off' || configured === undefined) return undefined;
  return state === 'unreachable' ? 'Tile server not reachable' : undefined;
}
