import { useCallback, useRef, useSyncExternalStore } from 'react';
import type { Agent } from 'fanfare-client';
import type { Fleet } from './fleet';

/** The fleet's version, taken at most every `everyMs`: what shows agents as text need not follow every packet. */
export function useFleetVersion(fleet: Fleet, everyMs = 500): number {
  const shown = useRef(fleet.version);
  const subscribe = useCallback(
    (listener: () => void) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const take = () => {
        timer = undefined;
        shown.current = fleet.version;
        listener();
      };
      if (shown.current !== fleet.version) take();
      const off = fleet.onChange(({ reset }) => {
        if (reset) clearTimeout(timer);
        if (reset) take();
        else timer ??= setTimeout(take, everyMs);
      });
      return () => {
        clearTimeout(timer);
        off();
      };
    },
    [fleet, everyMs],
  );
  return useSyncExternalStore(subscribe, () => shown.current);
}

/** One agent, at most every 250 ms. */
export function useFleetAgent(fleet: Fleet, id: string): Agent | undefined {
  useFleetVersion(fleet, 250);
  return fleet.agents.get(id);
}
