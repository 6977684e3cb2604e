import type { Status } from 'fanfare-client';
import { usePerson } from 'fanfare-client/react';
import { named as readable } from '../lib/plain';
import { useConnection } from '../session/context';
import { Avatar } from '../ui/Avatar';
import { LABELS } from './state';
import css from './people.module.css';

/** What each state looks like without its colour. */
const SHAPES: Readonly<Record<Status, React.ReactNode>> = {
  online: <circle cx="6" cy="6" r="5" />,
  away: <><circle cx="6" cy="6" r="5" /><path className={css.cut} d="M6 3v3l2.2 1.6" /></>,
  busy: <><circle cx="6" cy="6" r="5" /><path className={css.cut} d="M3.4 6h5.2" /></>,
  in_call: <><rect x="1" y="1" width="10" height="10" rx="2.5" /><path className={css.cut} d="M4 4.4v3.2M6 3.2v5.6M8 4.4v3.2" /></>,
  offline: <circle className={css.ring} cx="6" cy="6" r="4" />,
};

/** A state as a mark. Without a name where the words stand beside it. */
export function Dot({ status, label }: { status: Status; label?: string | undefined }) {
  const name = label === undefined ? { 'aria-hidden': true } : { role: 'img', 'aria-label': label };
  return <svg className={css.dot} viewBox="0 0 12 12" data-state={status} {...name}>{SHAPES[status]}</svg>;
}

/** The same beside an item of a menu, as wide as other icons. */
export const DotIcon = ({ status }: { status: Status }) => <span className={css.choice}><Dot status={status} /></span>;

/** A person's avatar with their state, once it is known. */
export function Face({ user, size, named = true }: { user: string; size?: 's' | 'm' | 'l'; named?: boolean }) {
  const person = usePerson(user);
  // Without a connection it is what was known last.
  const stale = useConnection().name !== 'open';
  return (
    <span className={css.face} data-stale={stale || undefined}>
      <Avatar name={readable(user)} {...(size && { size })} />
      {person && <Dot status={person.status} label={named ? `${LABELS[person.status]}${stale ? ', when last heard' : ''}` : undefined} />}
    </span>
  );
}
