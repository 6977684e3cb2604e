import { SAMPLES } from './history';
import css from './connection.module.css';

const W = 300;
const H = 56;

/** Few values fill the room as far as it is sensible; then it shows more and more time. */
const step = (n: number) => W / (Math.min(SAMPLES, Math.max(45, n)) - 1);
const x = (i: number, n: number) => W - (n - 1 - i) * step(n);

/** A single spike makes the rest no flat line: it goes over the top. */
function ceiling(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.max(1, (sorted[Math.floor((sorted.length - 1) * 0.95)] ?? 0) * 1.5);
}

/** The newest values at the right; unknown ones leave a gap. */
export function path(values: readonly (number | undefined)[]): string {
  const top = ceiling(values.filter((value) => value !== undefined));
  let d = '';
  let broken = true;
  for (const [i, value] of values.entries()) {
    if (value === undefined) {
      broken = true;
      continue;
    }
    d += `${broken ? 'M' : 'L'}${x(i, values.length).toFixed(1)} ${(H - Math.min(1, value / top) * H).toFixed(1)}`;
    broken = false;
  }
  return d;
}

export function Line({ values, label }: { values: readonly (number | undefined)[]; label: string }) {
  return (
    <svg className={css.spark} viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <line x1="0" x2={W} y1={H - 0.5} y2={H - 0.5} className={css.base} />
      <path d={path(values)} className={css.line} />
    </svg>
  );
}

export function Bars({ values, label }: { values: readonly number[]; label: string }) {
  const top = Math.max(1, ...values) * 1.15;
  const width = step(values.length);
  return (
    <svg className={css.spark} viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <line x1="0" x2={W} y1={H - 0.5} y2={H - 0.5} className={css.base} />
      {values.map((value, i) => {
        const high = (value / top) * H;
        return <rect key={i} x={x(i, values.length) - width} y={H - high} width={width * 0.7} height={high} className={css.bar} />;
      })}
    </svg>
  );
}
