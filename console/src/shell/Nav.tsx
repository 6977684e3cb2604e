import { Activity, List, Map as MapIcon, MessageSquare, ScrollText, type LucideIcon } from 'lucide-react';
import { href, type View } from '../router';
import { useShows } from '../session/context';
import { Hint } from '../ui/Button';
import { Mark } from '../ui/Mark';
import { AccountMenu } from './AccountMenu';
import css from './shell.module.css';

interface Target {
  view: View;
  label: string;
  icon: LucideIcon;
  /** The right without which there is nothing to see. */
  needs?: 'map' | 'chat';
}

const TARGETS: readonly Target[] = [
  { view: 'map', label: 'Map', icon: MapIcon, needs: 'map' },
  { view: 'chat', label: 'Chat', icon: MessageSquare, needs: 'chat' },
  { view: 'log', label: 'Event log', icon: ScrollText },
  { view: 'connection', label: 'Connection', icon: Activity },
];

/** On phones, agents have a tab of their own: the list and the map do not fit side by side. */
const TABS = TARGETS.toSpliced(1, 0, { view: 'agents', label: 'Agents', icon: List, needs: 'map' });

interface Props {
  view: View;
  unread: number;
}

/** Those that lead somewhere. What is not known yet stays out, so that nothing goes away under a finger. */
function useTargets(all: readonly Target[]): readonly Target[] {
  const shows = { map: useShows('watch_locations'), chat: useShows('converse') };
  return all.filter(({ needs }) => needs === undefined || shows[needs] === true);
}

export function Rail({ view, unread }: Props) {
  const shown = view === 'agents' ? 'map' : view;
  const targets = useTargets(TARGETS);
  return (
    <nav className={css.rail} aria-label="Main">
      <span className={css.mark}><Mark size={28} /></span>
      <ul>
        {targets.map((target) => (
          <li key={target.view}>
            <Hint text={target.label} side="right"><NavLink {...target} unread={unread} current={shown === target.view} /></Hint>
          </li>
        ))}
      </ul>
      <AccountMenu side="right" />
    </nav>
  );
}

/** The same on phones, below. */
export function TabBar({ view, unread }: Props) {
  const targets = useTargets(TABS);
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
function NavLink({ view, label, icon: Icon, needs: _, unread, current, text = false, ...rest }: LinkProps) {
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
