import { useMemo } from 'react';
import { Route } from 'lucide-react';
import { clock, clockSeconds, count, metres, span, speed } from '../lib/format';
import { trailColors, SPEEDS } from '../map/speeds';
import { LazyPart } from '../lib/LazyPart';
import { useTheme } from '../shell/theme';
import { Button } from '../ui/Button';
import { Segments } from '../ui/Choice';
import { Empty } from '../ui/Empty';
import { summary, type Fix } from './track';
import { WINDOWS, type Trail, type Window } from './useTrail';
import css from './trail.module.css';

const loadChart = () => import('./SpeedChart');

interface Props {
  trail: Trail;
  window: Window;
  onWindow: (window: Window) => void;
  onSpot: (fix: Fix | null) => void;
}

export function TrailPanel({ trail, window, onWindow, onSpot }: Props) {
  const { fixes, state, cut, error } = trail;
  const sums = useMemo(() => summary(fixes), [fixes]);
  const theme = useTheme();
  const told = sums && sums.to - sums.from < 600_000 ? clockSeconds : clock;
  return (
    <section className={css.panel} aria-label="Trail">
      <div className={css.head}>
        <h3>Trail</h3>
        <Segments label="Time window" value={window} options={WINDOWS} onChange={onWindow} />
      </div>
      {state === 'failed' ? (
        <p role="alert" className={css.failed}>
          The trail could not be read: {error}.
          <Button kind="quiet" onClick={trail.retry}>Try again</Button>
        </p>
      ) : !sums ? (
        state === 'loading' ? <div className={css.loading} role="status" aria-label="Loading the trail" /> : (
          <Empty icon={<Route size={20} />} title="Nothing recorded">No position of this agent was stored in this time.</Empty>
        )
      ) : (
        <>
          <dl className={css.sums}>
            <div><dt>Distance</dt><dd className="num">{metres(sums.metres)}</dd></div>
            <div><dt>Fastest</dt><dd className="num">{speed(sums.fastest)}</dd></div>
            <div><dt>Time</dt><dd className="num">{span(sums.to - sums.from)}</dd></div>
            <div><dt>Fixes</dt><dd className="num">{count(sums.points)}</dd></div>
          </dl>
          {sums.pace !== undefined && (
            <p className={css.pace} role="note">
              The positions move about {count(sums.pace)} times as fast as their own speed says. A track that is played faster?
            </p>
          )}
          {sums.fastest === undefined ? <p className={css.note}>This agent sends no speed.</p> : (
            <LazyPart load={loadChart} name="chart" waiting={<div className={css.chart} />}>
              {({ SpeedChart }) => <SpeedChart fixes={fixes} onSpot={onSpot} />}
            </LazyPart>
          )}
          {sums.fastest !== undefined && <div className={css.legend} aria-label="Colours of the trail, by speed">
            {SPEEDS.map((kmh, i) => (
              <span key={kmh}>
                <svg width="14" height="4" aria-hidden><rect width="14" height="4" rx="2" fill={trailColors(theme === 'dark')[i]} /></svg>
                {kmh}{i === SPEEDS.length - 1 ? '+ km/h' : ''}
              </span>
            ))}
          </div>}
          <p className={css.note} role="status">
            {state === 'loading' ? 'Reading on …' : `${told(sums.from)} to ${told(sums.to)}${cut ? ', the newest part' : ''}`}
            {sums.unplaced > 0 && `, and ${count(sums.unplaced)} without a place`}
            {state === 'done' && error !== undefined && `. Some may be missing: ${error}; trying again`}
          </p>
        </>
      )}
    </section>
  );
}
