import type { ReactNode } from 'react';
import css from './ui.module.css';

interface Props {
  icon: ReactNode;
  title: string;
  children?: ReactNode;
}

/** What stands where there is nothing: why, and what to do. */
export function Empty({ icon, title, children }: Props) {
  return (
    <div className={css.empty}>
      <span className={css.emptyIcon} aria-hidden>{icon}</span>
      <h3>{title}</h3>
      {children && <div className={css.emptyText}>{children}</div>}
    </div>
  );
}

/** Grey lines where something is about to be. */
export function Skeleton({ rows, height = 36 }: { rows: number; height?: number }) {
  return (
    <div className={css.skeleton} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, i) => (
        <svg key={i} width="100%" height={height} aria-hidden>
          <rect x="12" y={height / 2 - 9} width="18" height="18" rx="9" />
          <rect x="40" y={height / 2 - 5} width={`${30 + ((i * 37) % 28)}%`} height="10" rx="4" />
        </svg>
      ))}
    </div>
  );
}
