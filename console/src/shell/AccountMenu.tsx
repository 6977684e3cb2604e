import { useId, useRef, useState } from 'react';
import { Bell, LogOut, MessageSquareText, Monitor, Moon, Sun, Volume2 } from 'lucide-react';
import { useAvailability, usePerson } from 'fanfare-client/react';
import { turn, useSetting, type Setting } from '../attention/settings';
import { play } from '../attention/sound';
import { Name } from '../lib/Bidi';
import { named } from '../lib/plain';
import { DotIcon, Face } from '../people/Dot';
import { PersonLine } from '../people/Line';
import { useChooseStatus } from '../people/own';
import { CHOICES } from '../people/state';
import { StatusText } from '../people/StatusText';
import { useConnection, useSigned } from '../session/context';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Menu, MenuCheck, MenuItem, MenuLine, MenuRadio } from '../ui/Menu';
import { choose as chooseTheme, useThemeChoice, type Choice } from './theme';
import css from './shell.module.css';

const THEMES: readonly { value: Choice; label: string; icon: React.ReactNode }[] = [
  { value: 'system', label: 'As the system', icon: <Monitor size={15} /> },
  { value: 'dark', label: 'Dark', icon: <Moon size={15} /> },
  { value: 'light', label: 'Light', icon: <Sun size={15} /> },
];

const STATUSES = CHOICES.map(({ value, label }) => ({ value, label, icon: <DotIcon status={value} /> }));

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
  const mine = useAvailability();
  const choose = useChooseStatus();
  const text = usePerson(user)?.text ?? '';
  const [writing, setWriting] = useState(false);
  const state = useId();
  const notifications = useSetting('notifications');
  const sound = useSetting('sound');
  const [refused, setRefused] = useState(false);
  const set = (setting: Setting, on: boolean) => {
    if (on && setting === 'sound') play();
    void turn(setting, on).then((done) => { if (!done) setRefused(true); });
  };
  const trigger = (
    <button ref={button} type="button" className={css.account} aria-label={`Account of ${named(user)}`} aria-describedby={state}>
      <Face user={user} named={false} />
    </button>
  );
  return (
    <>
      <span id={state} className="sr"><PersonLine user={user} /></span>
      <Menu trigger={trigger} side={side} align="end">
        <div className={css.who}>
          <Face user={user} size="l" named={false} />
          <div>
            <strong><Name id={user} /></strong>
            <span><Name id={session.who?.organizationId ?? session.claims.organization ?? ''} /></span>
            <span className={css.roles}>{session.who?.roles.join(', ') ?? 'not connected yet'}</span>
            <span className={css.state}><PersonLine user={user} /></span>
          </div>
        </div>
        <MenuLine />
        <MenuRadio label="Status" value={mine} options={STATUSES} onChange={choose} />
        <MenuItem icon={<MessageSquareText size={15} />} onSelect={() => setWriting(true)}>{text ? 'Change the status text' : 'Set a status text'}</MenuItem>
        <MenuLine />
        <MenuRadio label="Theme" value={theme} options={THEMES} onChange={chooseTheme} />
        <MenuLine />
        <MenuCheck checked={notifications} onChange={(on) => set('notifications', on)}><Bell size={15} />Notifications</MenuCheck>
        <MenuCheck checked={sound} onChange={(on) => set('sound', on)}><Volume2 size={15} />Sound</MenuCheck>
        {mine === 'busy' && (notifications || sound) && <p className={css.muted}>Do not disturb: only urgent notices are announced.</p>}
        <MenuLine />
        <MenuItem icon={<LogOut size={15} />} onSelect={leave}>Sign out</MenuItem>
      </Menu>
      {writing && <StatusText text={text} opener={button} onClose={() => setWriting(false)} />}
      {refused && (
        <Dialog
          title="Notifications are not allowed" opener={button} onClose={() => setRefused(false)}
          text="The browser does not show notifications of this site. Allow them in its settings for this site, and switch them on again."
        >
          <div className={css.confirm}><Button kind="primary" onClick={() => setRefused(false)}>Close</Button></div>
        </Dialog>
      )}
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
