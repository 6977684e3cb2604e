import { LogOut, Monitor, Moon, Sun } from 'lucide-react';
import { useConnection, useSigned } from '../session/context';
import { Avatar } from '../ui/Avatar';
import { Menu, MenuItem, MenuLine, MenuRadio } from '../ui/Menu';
import { choose, useThemeChoice, type Choice } from './theme';
import css from './shell.module.css';

const THEMES: readonly { value: Choice; label: string; icon: React.ReactNode }[] = [
  { value: 'system', label: 'As the system', icon: <Monitor size={15} /> },
  { value: 'dark', label: 'Dark', icon: <Moon size={15} /> },
  { value: 'light', label: 'Light', icon: <Sun size={15} /> },
];

export function AccountMenu({ side }: { side: 'right' | 'bottom' }) {
  const { session, signOut } = useSigned();
  useConnection();
  const theme = useThemeChoice();
  const user = session.who?.userId ?? session.claims.user ?? 'unknown';
  const trigger = (
    <button type="button" className={css.account} aria-label={`Account of ${user}`}>
      <Avatar name={user} />
    </button>
  );
  return (
    <Menu trigger={trigger} side={side} align="end">
      <div className={css.who}>
        <Avatar name={user} size="l" />
        <div>
          <strong>{user}</strong>
          <span>{session.who?.organizationId ?? session.claims.organization}</span>
          <span className={css.roles}>{session.who?.roles.join(', ') ?? 'not connected yet'}</span>
        </div>
      </div>
      <MenuLine />
      <MenuRadio label="Theme" value={theme} options={THEMES} onChange={choose} />
      <MenuLine />
      <MenuItem icon={<LogOut size={15} />} onSelect={signOut}>Sign out</MenuItem>
    </Menu>
  );
}
