// Where one is: the fragment of the address. `#/map`, `#/agents`, `#/agents/<id>`, `#/chat`, `#/chat/<id>`, `#/log`,
// `#/connection`. A token in the fragment is none of these: session/token.ts takes it away before.
import { useSyncExternalStore } from 'react';

export type Place =
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
    default:
      return { view: 'map' };
  }
}

export function href(place: Place): string {
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

export function usePlace(): Place {
  return useSyncExternalStore(listen, current);
}
