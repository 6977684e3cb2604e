import { Bell } from 'lucide-react';
import { Popover } from 'radix-ui';
import { useServerNow, useSession, useValue } from '../session/context';
import { Name } from '../lib/Bidi';
import { clock, day } from '../lib/format';
import { plain } from '../lib/plain';
import { ICONS, WORDS } from './Toasts';
import ui from '../ui/ui.module.css';
import css from './notices.module.css';

/** The organisation's newest notices, to read again. */
export function NoticeMenu() {
  const board = useSession().notices;
  const notices = useValue(board, () => board.notices);
  const now = useServerNow(60_000);
  const waiting = useValue(board, () => board.open.length);
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <button type="button" className={`${ui.icon} ${css.bell}`} aria-label={waiting > 0 ? `Notices, ${waiting} new` : 'Notices'}>
          <Bell size={17} />
          {waiting > 0 && <i aria-hidden />}
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={css.menu} align="end" sideOffset={6} collisionPadding={8} aria-label="Notices">
          <h2>Notices</h2>
          {notices.length === 0 ? <p className={css.none}>Nobody has announced anything lately.</p> : (
            <ul tabIndex={0} aria-label="Notices">
              {notices.map(({ key, priority, message, by, at }) => {
                const Icon = ICONS[priority];
                return (
                  <li key={key} data-priority={priority}>
                    <Icon size={15} aria-hidden />
                    <div>
                      <p className={css.text} dir="auto">{plain(message)}</p>
                      <p className={css.meta}>{WORDS[priority]} · <Name id={by} /> · {day(at, now)} <span className="num">{clock(at)}</span></p>
                    </div>
                  </li>
                );
              })}
            </ul>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
