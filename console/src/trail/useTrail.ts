// Reads an agent's track page by page, and goes on with what comes live.
import { useEffect, useState } from 'react';
import type { Fleet } from '../fleet/fleet';
import { useSession } from '../session/context';
import { merge, type Fix } from './track';

export const WINDOWS = [
  { value: '15', label: '15 min' },
  { value: '60', label: '1 h' },
  { value: '360', label: '6 h' },
  { value: '1440', label: '24 h' },
] as const;

export type Window = (typeof WINDOWS)[number]['value'];

/** Fixes kept of one track, and of one page. */
const MOST = 12_000;
const PAGE = 200;

export interface Trail {
  fixes: readonly Fix[];
  state: 'loading' | 'done' | 'failed';
  /** There is more than is kept: this is the newest part. */
  cut: boolean;
  error?: string;
  retry: () => void;
}

export function useTrail(fleet: Fleet, id: string | null, window: Window): Trail {
  const { client } = useSession();
  const [trail, setTrail] = useState<Omit<Trail, 'retry'>>({ fixes: [], state: 'loading', cut: false });
  const [tries, setTries] = useState(0);

  useEffect(() => {
    setTrail({ fixes: [], state: 'loading', cut: false });
    if (id === null) return;
    const end = new AbortController();
    let fixes: Fix[] = [];
    let cut = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const add = (more: readonly Fix[]) => {
      fixes = merge(fixes, more);
      if (fixes.length > MOST) {
        fixes = fixes.slice(-MOST);
        cut = true;
      }
    };
    const show = (state: Trail['state'], error?: string) => {
      if (!end.signal.aborted) setTrail({ fixes, state, cut, ...(error !== undefined && { error }) });
    };

    const read = async () => {
      // Both ends are the device's own times, whose clock may be ahead.
      const to = Date.now() + 60_000;
      const from = Date.now() - Number(window) * 60_000;
      let after: string | undefined;
      for (let page = 0; !end.signal.aborted; page++) {
        const answer = await client.request(
          'location:history',
          { agent_id: id, from, to, limit: PAGE, ...(after !== undefined && { after }) },
          { signal: end.signal },
        );
        add(answer.fixes);
        after = answer.next;
        if (after === undefined) break;
        if (page % 8 === 0) show('loading');
      }
      show('done');
    };
    read().catch((error: unknown) => show('failed', error instanceof Error ? error.message : String(error)));

    // What comes live, drawn once a second.
    const off = fleet.onChange(({ changed }) => {
      const fix = changed.find(({ agentId }) => agentId === id)?.fix;
      if (!fix || fix.time <= (fixes.at(-1)?.time ?? Infinity)) return;
      add([fix]);
      timer ??= setTimeout(() => {
        timer = undefined;
        if (!end.signal.aborted) setTrail((before) => ({ ...before, fixes, cut }));
      }, 1000);
    });
    return () => {
      end.abort();
      clearTimeout(timer);
      off();
    };
  }, [client, fleet, id, window, tries]);

  return { ...trail, retry: () => setTries((n) => n + 1) };
}
