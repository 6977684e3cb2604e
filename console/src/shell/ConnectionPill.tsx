import { CircleAlert, LoaderCircle, Unplug, Zap } from 'lucide-react';
import type { State } from 'fanfare-client';
import { href } from '../router';
import { useConnection, useServerNow, useSession, useValue } from '../session/context';
import css from './shell.module.css';

export const TRANSPORT = { webtransport: 'WebTransport', websocket: 'WebSocket' } as const;

/** Word, tone and icon of a state: never the colour alone. */
export function wording(state: State): { word: string; tone: 'ok' | 'warn' | 'bad'; icon: typeof Zap } {
  switch (state.name) {
    case 'open':
      return { word: 'Live', tone: 'ok', icon: Zap };
    case 'connecting':
    case 'authenticating':
      return { word: 'Connecting', tone: 'warn', icon: LoaderCircle };
    case 'backoff':
      return { word: 'Reconnecting', tone: 'warn', icon: Unplug };
    case 'closed':
      return { word: 'Disconnected', tone: 'bad', icon: CircleAlert };
  }
}

export function ConnectionPill() {
  const state = useConnection();
  const session = useSession();
  const rtt = useValue(session.history, () => session.history.stats.rttMs);
  const { word, tone } = wording(state);
  return (
    <a href={href({ view: 'connection' })} className={css.pill} data-tone={tone} data-state={state.name}>
      <span className={css.dot} aria-hidden />
      <span role="status"><span className="sr">Connection: </span>{word}</span>
      {state.name === 'open' && (
        <span className={css.pillMore}>
          <span>{TRANSPORT[state.transport]}</span>
          {rtt !== undefined && <span className="num">{rtt < 10 ? rtt.toFixed(1) : Math.round(rtt)} ms</span>}
        </span>
      )}
      {state.name === 'backoff' && <Countdown until={state.until} />}
    </a>
  );
}

function Countdown({ until }: { until: number }) {
  const seconds = Math.ceil((until - useServerNow(250)) / 1000);
  return seconds > 0 ? <span className={`${css.pillMore} num`}>in {seconds} s</span> : null;
}
