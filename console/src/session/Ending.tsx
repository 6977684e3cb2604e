import { useState } from 'react';
import { Hourglass, TriangleAlert } from 'lucide-react';
import { span } from '../lib/format';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { useConnection, useServerNow, useSession, useValue } from './context';
import { warning } from './ending';
import { TokenForm } from './SignIn';
import css from './session.module.css';

/** Says in time that the token ends, and takes a new one. The last minute is said again, also to those who put it away. */
export function Ending({ onToken }: { onToken: (token: string) => void }) {
  const state = useConnection();
  const session = useSession();
  const { client } = session;
  const refused = useValue(session, () => session.refusedToken);
  const now = useServerNow(1000);
  const [away, setAway] = useState<string>();
  const [renewing, setRenewing] = useState<number>();
  const newest = useValue(session, () => session.endsAt);
  const end = state.name === 'open' ? newest : undefined;
  const left = end === undefined ? Infinity : end - now;
  const what = warning(left);
  const key = `${end}/${what}`;
  if (renewing !== undefined && renewing === end && what !== undefined) {
    return (
      <Dialog title="A new access token" text="The present one goes on until the server has taken the new one." onClose={() => setRenewing(undefined)}>
        <TokenForm
          label="New access token" action="Go on" now={() => client.now()}
          onToken={(token) => { setRenewing(undefined); onToken(token); }}
        />
      </Dialog>
    );
  }
  if (refused && state.name === 'open' && (what === undefined || key === away)) {
    return (
      <div className={css.ending} role="alert">
        <TriangleAlert size={16} aria-hidden />
        <p>The server refused the new token. The present one goes on.</p>
        <Button kind="quiet" onClick={() => session.understood()}>Understood</Button>
      </div>
    );
  }
  if (what === undefined || key === away) return null;
  return (
    <div className={css.ending} role={what === 'now' ? 'alert' : 'status'} data-now={what === 'now' || undefined}>
      <Hourglass size={16} aria-hidden />
      <p>{refused && 'The server refused the new token. '}Your access token ends in <span className="num">{what === 'now' ? 'less than a minute' : span(Math.ceil(left / 60_000) * 60_000)}</span>.</p>
      <Button kind="plain" onClick={() => setRenewing(end)}>Renew</Button>
      <Button kind="quiet" onClick={() => setAway(key)}>Later</Button>
    </div>
  );
}
