import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';

/** The time by a clock, anew every `everyMs`; by this machine's clock if none is given. */
export function useNow(everyMs = 1000, clock: { now: () => number } = Date): number {
  const [now, set] = useState(() => clock.now());
  useEffect(() => {
    set(clock.now());
    const timer = setInterval(() => set(clock.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, clock]);
  return now;
}

export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const list = matchMedia(query);
      list.addEventListener('change', listener);
      return () => list.removeEventListener('change', listener);
    },
    () => matchMedia(query).matches,
  );
}

export const usePhone = (): boolean => useMedia('(max-width: 760px)');

/** The height of an element in CSS pixels, 0 while there is none, and the ref that it needs. */
export function useHeight(): [(element: HTMLElement | null) => (() => void) | undefined, number] {
  const [height, set] = useState(0);
  const ref = useCallback((element: HTMLElement | null) => {
    if (!element) return undefined;
    const sized = new ResizeObserver(() => set(element.offsetHeight));
    sized.observe(element);
    return () => {
      sized.disconnect();
      set(0);
    };
  }, []);
  return [ref, height];
}
