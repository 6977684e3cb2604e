import { frames } from '../lib/frames';
import { useNow } from '../lib/hooks';
import css from './connection.module.css';

/** What this page itself costs. */
export function Page() {
  useNow(1000);
  const cost = frames.read();
  return (
    <section className={css.card} aria-labelledby="page">
      <header><h3 id="page">This page</h3><span>while the map shows</span></header>
      <dl className={css.pairs}>
        <div><dt>Frames of the map</dt><dd className="num">{cost.fps > 0 ? `${cost.fps.toFixed(0)} /s` : '–'}</dd></div>
        <div><dt>99 of 100 within</dt><dd className="num">{cost.p99 > 0 ? `${cost.p99.toFixed(0)} ms` : '–'}</dd></div>
        <div><dt>Long tasks</dt><dd className="num">{cost.longTasks === 0 ? 'none' : `${cost.longTasks}, up to ${cost.longestTask.toFixed(0)} ms`}</dd></div>
      </dl>
    </section>
  );
}
