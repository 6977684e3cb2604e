import { useEffect, useState } from 'react';
import type { LatestAgent } from 'fanfare-client';
import { useSession } from '../session/context';

/** How often the server is asked whose fixes it refuses. */
const EVERY = 15_000;
/** Most pages read: beyond, the first ones say enough. */
const PAGES = 10;

/** What the server says of fixes of an agent that it refused since it took one. */
export type Refused = NonNullable<LatestAgent['refused']>;

/** Asks again and again while it is shown. */
export function useRefused(id: string): Refused | undefined {
  const { client } = useSession();
  const [refused, setRefused] = useState<Refused | undefined>();
  useEffect(() => {
    const end = new AbortController();
    const ask = async () => {
      let after: string | undefined;
      for (let page = 0; page < PAGES; page++) {
        const answer = await client.request(
          'location:latest', { refused: true, ...(after !== undefined && { after }) }, { signal: end.signal },
        );
        const found = answer.agents.find((agent) => agent.agent_id === id);
        after = answer.next;
        if (found || after === undefined) return found?.refused;
      }
      return undefined;
    };
    // A server that cannot be reached says nothing of the agent.
    const show = () => void ask().then((found) => !end.signal.aborted && setRefused(found), () => {});
    show();
    const timer = setInterval(show, EVERY);
    return () => {
      end.abort();
      clearInterval(timer);
    };
  }, [client, id]);
  return refused;
}

/** Why, for people. */
export function whyRefused({ reason }: Refused): string {
  switch (reason) {
    case 'clock_ahead': return 'the clock of the device is fast';
    case 'too_old': return 'their times are too old: the clock of the device or of its receiver is wrong';
    default: return 'they hold impossible values';
  }
}
