import { useRef, useState } from 'react';
import { LogOut, Monitor, Moon, Sun } from 'lucide-react';
import { useConnection, useSigned } from '../session/context';
import { Avatar } from '../ui/Avatar';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
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
  const [unsent, setUnsent] = useState(0);
  const leave = () => {
    const waiting = session.client.outbox.length;
    if (waiting > 0) setUnsent(waiting);
    else signOut();
  };
  const button = useRef<HTMLButtonElement>(null);
  const trigger = (
    <button ref={button} type="button" className={css.account} aria-label={`Account of ${user}`}>
      <Avatar name={user} />
    </button>
  );
  return (
    <>
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
        <MenuItem icon={<LogOut size={15} />} onSelect={leave}>Sign out</MenuItem>
      </Menu>
      {unsent > 0 && (
        <Dialog
          title="Sign out?" onClose={() => setUnsent(0)} opener={button}
          text={`${unsent === 1 ? 'A message has' : `${unsent} messages have`} not been sent yet. Signing out drops what waits.`}
        >
          <div className={css.confirm}>
            <Button kind="quiet" onClick={() => setUnsent(0)}>Stay</Button>
            <Button kind="primary" onClick={signOut}>Sign out all the same</Button>
          </div>
        </Dialog>
      )}
    </>
  );
}
