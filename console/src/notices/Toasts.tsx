import { useCallback, useEffect } from 'react';
import { Info, Megaphone, Siren, TriangleAlert, X } from 'lucide-react';
import { useSession, useValue } from '../session/context';
import { Name } from '../lib/Bidi';
import { clock } from '../lib/format';
import { plain } from '../lib/plain';
import { IconButton } from '../ui/Button';
import type { Notice, Priority } from './board';
import css from './notices.module.css';

export const ICONS = { low: Info, medium: Megaphone, high: TriangleAlert, urgent: Siren } as const;
export const WORDS: Record<Priority, string> = { low: 'Notice', medium: 'Notice', high: 'Important', urgent: 'Urgent' };

/** How long a notice stays by itself. What is urgent or high stays until somebody has put it away. */
const STAYS: Partial<Record<Priority, number>> = { low: 8000, medium: 15_000 };

export function Toasts() {
  const { notices } = useSession();
  const open = useValue(notices, () => notices.open);
  const urgent = open.filter(({ priority }) => priority === 'urgent');
  const others = open.filter(({ priority }) => priority !== 'urgent');
  const dismiss = useCallback((key: string) => notices.dismiss(key), [notices]);
  return (
    <div className={css.area}>
      {/* Both are always there: a live region that comes with its content is not read out. */}
      <div className={css.banners} role="alert" aria-live="assertive">
        {urgent.map((notice) => <Toast key={notice.key} notice={notice} onClose={dismiss} />)}
      </div>
      <div className={css.toasts} role="status" aria-live="polite">
        {others.map((notice) => <Toast key={notice.key} notice={notice} onClose={dismiss} />)}
      </div>
    </div>
  );
}

function Toast({ notice, onClose }: { notice: Notice; onClose: (key: string) => void }) {
  const { key, priority, message, by, at } = notice;
  useEffect(() => {
    const stays = STAYS[priority];
    if (stays === undefined) return;
    const timer = setTimeout(() => onClose(key), stays);
    return () => clearTimeout(timer);
  }, [key, priority, onClose]);
  const Icon = ICONS[priority];
  return (
    <div className={css.toast} data-priority={priority}>
      <Icon size={18} aria-hidden />
      <div>
        <p className={css.meta}><strong>{WORDS[priority]}</strong> from <Name id={by} /> · <span className="num">{clock(at)}</span></p>
        <p className={css.text} dir="auto">{plain(message)}</p>
      </div>
      <IconButton label="Put away" onClick={() => onClose(key)}><X size={16} /></IconButton>
    </div>
  );
}
