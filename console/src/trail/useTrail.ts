// The track of the agent that is selected.
import { useEffect, useRef, useState } from 'react';
import type { Fleet } from '../fleet/fleet';
import { useSession } from '../session/context';
import { PAGE, TrailReader, type Read } from './reader';

export const WINDOWS = [
  { value: '15', label: '15 min' },
  { value: '60', label: '1 h' },
  { value: '360', label: '6 h' },
  { value: '1440', label: '24 h' },
] as const;

export type Window = (typeof WINDOWS)[number]['value'];

export interface Trail extends Read {
  retry: () => void;
}

const EMPTY: Read = { fixes: [], state: 'loading', cut: false };

export function useTrail(fleet: Fleet, id: string | null, window: Window): Trail {
  const { client } = useSession();
  const [trail, setTrail] = useState<Read>(EMPTY);
  const reader = useRef<TrailReader>(null);

  useEffect(() => {
    setTrail(EMPTY);
    if (id === null) return;
    const made = new TrailReader({
      now: () => fleet.now(),
      read: ({ from, to, after }, signal) =>
        client.request('location:history', { agent_id: id, from, to, limit: PAGE, ...(after !== undefined && { after }) }, { signal }),
      after: (ms, then) => {
        const timer = setTimeout(then, ms);
        return () => clearTimeout(timer);
      },
    }, Number(window) * 60_000, setTrail);
    reader.current = made;

    // A newer token changes the state of a connection, but not the connection.
    let connection: string | undefined;
    const follow = () => {
      const { state } = client;
      const now = state.name === 'open' ? state.connectionId : undefined;
      if (now === connection) return;
      connection = now;
      if (now === undefined) made.disconnected();
      else made.connected();
    };
    follow();
    const offState = client.on('state', follow);

    let last = fleet.agents.get(id)?.fix;
    // It may not be stored yet.
    if (last) made.live(last);
    const offFleet = fleet.onChange(() => {
      const fix = fleet.agents.get(id)?.fix;
      if (!fix || fix === last) return;
      last = fix;
      made.live(fix);
    });
    return () => {
      offState();
      offFleet();
      made.close();
      reader.current = null;
    };
  }, [client, fleet, id, window]);

  return { ...trail, retry: () => reader.current?.retry() };
}
