import { initials } from '../lib/format';
import css from './ui.module.css';

/** One of eight hues, always the same for a name. */
function hue(name: string): number {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)!) >>> 0;
  return hash % 8;
}

export function Avatar({ name, size = 'm', icon }: { name: string; size?: 's' | 'm' | 'l'; icon?: React.ReactNode }) {
  return (
    <span className={`${css.avatar} ${css[`avatar-${size}`]}`} data-hue={hue(name)} {...(!icon && { 'data-initials': initials(name) })} aria-hidden>
      {icon}
    </span>
  );
}
