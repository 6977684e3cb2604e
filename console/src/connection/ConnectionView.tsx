import { useState } from 'react';
import { Scissors } from 'lucide-react';
import { useConnection, useServerNow, useSession, useValue } from '../session/context';
import { TRANSPORT, wording } from '../shell/ConnectionPill';
import { ABSENT, age, count, span } from '../lib/format';
import { Button } from '../ui/Button';
import { Switch } from '../ui/Choice';
import { Bars, Line } from './Sparkline';
import { Page } from './Page';
import css from './connection.module.css';

export function ConnectionView() {
  const session = useSession();
  const state = useConnection();
  const now = useServerNow(1000);
  const samples = useValue(session.history, () => session.history.samples);
  const stats = session.history.stats;
  const [forced, setForced] = useState(() => session.forced);
  const { word, tone, icon: Icon } = wording(state);
  const known = samples.map(({ rttMs }) => rttMs).filter((rtt) => rtt !== undefined);
  const sorted = known.toSorted((a, b) => a - b);
  const packets = samples.at(-1)?.packets;
  const perSecond = packets === undefined ? undefined : packets / 2;
  const median = sorted[Math.floor(sorted.length / 2)];
  const force = (on: boolean) => {
    setForced(on);
    session.force(on);
  };

  return (
    <div className={css.view}>
      <section className={css.hero} data-tone={tone} aria-label="State">
        <span className={css.heroIcon} data-spin={state.name === 'connecting' || undefined}><Icon size={22} aria-hidden /></span>
        <div className={css.heroText}>
          <h2>{state.name === 'open' ? `${word} over ${TRANSPORT[state.transport]}` : word}</h2>
          <p>
            {state.name === 'open' && <>for {span(now - state.since)} · connection <span className="mono">{state.connectionId}</span></>}
            {state.name === 'backoff' && <>attempt {state.attempt} begins in {span(Math.max(0, state.until - now))}{state.reason ? ` · ${state.reason}` : ''}</>}
            {(state.name === 'connecting' || state.name === 'authenticating') && <>attempt {state.attempt}</>}
            {state.name === 'closed' && (state.reason ?? 'Signed out')}
          </p>
        </div>
        <Button icon={<Scissors size={15} />} disabled={state.name !== 'open'} onClick={() => session.client.interrupt()}>
          Cut the connection
        </Button>
      </section>

      <div className={css.cards}>
        <section className={css.card} aria-labelledby="rtt">
          <header><h3 id="rtt">Round trip</h3><span>last {span(samples.length * 2000)}</span></header>
          <p className={`${css.big} num`}>{stats.rttMs === undefined ? ABSENT : stats.rttMs.toFixed(stats.rttMs < 10 ? 1 : 0)}<small>ms</small></p>
          <Line values={samples.map(({ rttMs }) => rttMs)} label={`Round trip over time, ${median?.toFixed(1) ?? 'unknown'} ms in the middle`} />
          <p className={`${css.foot} num`}>
            {sorted.length === 0 ? 'no answer yet' : `median ${median!.toFixed(1)} · most ${sorted.at(-1)!.toFixed(1)} ms`}
          </p>
        </section>
        <section className={css.card} aria-labelledby="packets">
          <header><h3 id="packets">Position packets</h3><span>per second</span></header>
          <p className={`${css.big} num`}>{perSecond === undefined ? ABSENT : perSecond.toFixed(1)}<small>/s</small></p>
          <Bars values={samples.map(({ packets }) => packets / 2)} label="Packets a second over time" />
          <p className={`${css.foot} num`}>{count(stats.packets)} received · {bytes(stats.bytesIn)} in all</p>
        </section>
      </div>

      <section className={css.card} aria-labelledby="numbers">
        <header><h3 id="numbers">Since signing in</h3><span>{stats.lastHeard > 0 ? `last heard ${age(now - stats.lastHeard)}` : 'nothing heard yet'}</span></header>
        <dl className={css.numbers}>
          <Number name="Packets lost" value={stats.lost} text="estimate, by repetitions" bad={stats.lost > stats.packets / 50} />
          <Number name="Dropped here" value={stats.drops} text="malformed or of no known view" bad={stats.drops > 0} />
          <Number name="Reconnects" value={stats.reconnects} text="connections after the first" />
          <Number name="Topics resumed" value={stats.resumed} text="with nothing missing" />
          <Number name="Gaps" value={stats.gaps} text="read again from history" bad={stats.gaps > 0} />
          <Number name="Outbox" value={stats.outbox} text="requests not answered yet" bad={stats.outbox > 0} />
        </dl>
      </section>

      <div className={css.cards}>
        <section className={css.card} aria-labelledby="how">
          <header><h3 id="how">Transport</h3></header>
          <Switch
            label="Force WebSocket" checked={forced} onChange={force}
            text="Otherwise both are tried, and WebTransport is preferred. Nothing is lost by the change."
          />
        </section>
        <Page />
      </div>
    </div>
  );
}

function Number({ name, value, text, bad = false }: { name: string; value: number; text: string; bad?: boolean }) {
  return (
    <div data-bad={bad || undefined}>
      <dt>{name}</dt>
      <dd className="num">{count(value)}</dd>
      <dd className={css.small}>{text}</dd>
    </div>
  );
}

function bytes(n: number): string {
  return n < 1e6 ? `${Math.round(n / 1e3)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}
