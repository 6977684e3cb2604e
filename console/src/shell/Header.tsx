import { Megaphone } from 'lucide-react';
import { usePlace } from '../router';
import { useMay, useSession } from '../session/context';
import { Name } from '../lib/Bidi';
import { usePhone } from '../lib/hooks';
import { Button, IconButton } from '../ui/Button';
import { NoticeMenu } from '../notices/NoticeMenu';
import { AccountMenu } from './AccountMenu';
import { ConnectionPill } from './ConnectionPill';
import css from './shell.module.css';

const TITLES = { start: 'Fanfare', map: 'Live map', agents: 'Live map', chat: 'Chat', log: 'Event log', connection: 'Connection' } as const;

export function Header({ onNotice }: { onNotice: () => void }) {
  const session = useSession();
  const phone = usePhone();
  const { view } = usePlace();
  const organization = session.who?.organizationId ?? session.claims.organization;
  const notice = useMay('broadcast');
  const notices = useMay('hear_notices') !== false;
  return (
    <header className={css.header}>
      <div className={css.title}>
        {!phone && organization && <><span className={css.organization}><Name id={organization} /></span><span className={css.slash} aria-hidden>/</span></>}
        <h1>{phone && view === 'agents' ? 'Agents' : TITLES[view]}</h1>
      </div>
      <ConnectionPill />
      {notice && (phone
        ? <IconButton label="Send a notice" onClick={onNotice}><Megaphone size={18} /></IconButton>
        : <Button icon={<Megaphone size={14} />} onClick={onNotice}>Send notice</Button>)}
      {notices && <NoticeMenu />}
      {phone && <AccountMenu side="bottom" />}
    </header>
  );
}
