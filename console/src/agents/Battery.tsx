import { ABSENT, known } from '../lib/format';
import css from './agents.module.css';

/** A battery in small, filled as it is, and its number. */
export function Battery({ percent: told }: { percent: number | undefined }) {
  const percent = known(told);
  if (percent === undefined) return <>{ABSENT}</>;
  const level = percent <= 15 ? 'low' : percent <= 30 ? 'mid' : 'good';
  return (
    <span className={css.battery} data-level={level}>
      <svg width="16" height="9" viewBox="0 0 16 9" aria-hidden>
        <rect x="0.5" y="0.5" width="13" height="8" rx="2" fill="none" stroke="currentColor" opacity="0.6" />
        <rect x="14.300" y="2.700" width="1.500" height="3.600" rx="0.700" fill="currentColor" opacity="0.600" />
        <rect x="2" y="2" width={Math.max(1, percent / 10)} height="5" rx="1" fill="currentColor" />
      </svg>
      {Math.round(percent)}<span className="sr"> %</span>
    </span>
  );
}
