import { Activity, List, Map as MapIcon, MessageSquare, ScrollText, type LucideIcon } from 'lucide-react';
import { href, type View } from '../router';
import { Hint } from '../ui/Button';
import { Mark } from '../ui/Mark';
import { AccountMenu } from './AccountMenu';
import css from './shell.module.css';

interface Target {
  view: View;
  label: string;
  icon: LucideIcon;
}

const TARGETS: readonly Target[] = [
  { view: 'map', label: 'Map', icon: MapIcon },
  { view: 'chat', label: 'Chat', icon: MessageSquare },
  { view: 'log', label: 'Event log', icon: ScrollText },
  { view: 'connection', label: 'Connection', icon: Activity },
];

interface Props {
  view: View;
  unread: number;
}

export function Rail({ view, unread }: Props) {
  const shown = view === 'agents' ? 'map' : view;
  return (
    <nav className={css.rail} aria-label="Main">
      <span className={css.mark}><Mark size={28} /></span>
      <ul>
        {TARGETS.map((target) => (
          <li key={target.view}>
            <Hint text={target.label} side="right"><NavLink {...target} unread={unread} current={shown === target.view} /></Hint>
          </li>
        ))}
      </ul>
      <AccountMenu side="right" />
    </nav>
  );
}

/** On phones, agents have a tab of their own: the list and the map do not fit side by side. */
export function TabBar({ view, unread }: Props) {
  const targets = TARGETS.toSpliced(1, 0, { view: 'agents', label: 'Agents', icon: List });
  return (
    <nav className={css.tabs} aria-label="Main">
      <ul>
        {targets.map((target) => (
          <li key={target.view}>
            <NavLink {...target} label={target.label.replace('Event log', 'Log')} unread={unread} current={view === target.view} text />
          </li>
        ))}
      </ul>
    </nav>
  );
}

interface LinkProps extends Target {
  unread: number;
  current: boolean;
  text?: boolean;
}

// The tooltip's trigger passes what it needs on.
function NavLink({ view, label, icon: Icon, unread, current, text = false, ...rest }: LinkProps) {
  const badge = view === 'chat' && unread > 0;
  return (
    <a
      {...rest} href={href({ view } as Parameters<typeof href>[0])} className={text ? css.tab : css.railLink}
      aria-current={current ? 'page' : undefined} aria-label={badge ? `${label}, ${unread} unread` : label}
    >
      <span className={css.navIcon}>
        <Icon size={20} strokeWidth={current ? 2.1 : 1.8} aria-hidden />
        {badge && <span className={css.badge}>{unread > 99 ? '99+' : unread}</span>}
      </span>
      {text && <span>{label}</span>}
    </a>
  );
}
