// Where one is: the fragment of the address. None is the start, which depends on what one may see. `#/map`, `#/agents`, `#/agents/<id>`, `#/chat`, `#/chat/<id>`, `#/log`,
// `#/connection`. A token in the fragment is none of these: session/token.ts takes it away before.
import { useSyncExternalStore } from 'react';

export type Place =
  | { view: 'start' }
  | { view: 'map' }
  | { view: 'agents'; id?: string }
  | { view: 'chat'; id?: string }
  | { view: 'log' }
  | { view: 'connection' };

export type View = Place['view'];

export function parse(hash: string): Place {
  const [view, ...rest] = hash.replace(/^#\/?/, '').split('/');
  let id: string | undefined;
  try {
    id = decodeURIComponent(rest.join('/')) || undefined;
  } catch {
    id = undefined;
  }
  switch (view) {
    case 'agents':
    case 'chat':
      return id === undefined ? { view } : { view, id };
    case 'log':
    case 'connection':
      return { view };
    case '':
    case undefined:
      return { view: 'start' };
    default:
      return { view: 'map' };
  }
}

export function href(place: Place): string {
  if (place.view === 'start') return '#';
  return 'id' in place && place.id !== undefined ? `#/${place.view}/${encodeURIComponent(place.id)}` : `#/${place.view}`;
}

export function go(place: Place): void {
  location.hash = href(place);
}

function listen(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}

let last: { hash: string; place: Place } | undefined;

function current(): Place {
  if (last?.hash !== location.hash) last = { hash: location.hash, place: parse(location.hash) };
  return last.place;
}

/** Where one starts: the first of what one may see. */
export function start(shows: { map: boolean; chat: boolean }): View {
  return shows.map ? 'map' : shows.chat ? 'chat' : 'connection';
}

/** Goes on without leaving the place before in the history. */
export function replace(place: Place): void {
  history.replaceState(null, '', `${location.pathname}${location.search}${href(place)}`);
  dispatchEvent(new HashChangeEvent('hashchange'));
}

export function usePlace(): Place {
  return useSyncExternalStore(listen, current);
}
