import { useState } from 'react';
import { Hourglass } from 'lucide-react';
import { clockSeconds } from '../lib/format';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { useConnection, useSession } from './context';
import { notYet } from './refusal';
import { TokenForm } from './SignIn';
import css from './session.module.css';

/** Says that the token counts from later on, when it is tried again, and takes another one. */
export function NotYet({ onToken }: { onToken: (token: string) => void }) {
  const state = useConnection();
  const { client } = useSession();
  const [replacing, setReplacing] = useState(false);
  const until = notYet(state);
  if (replacing) {
    return (
      <Dialog title="Another access token" text="The present one is not valid yet." onClose={() => setReplacing(false)}>
        <TokenForm label="Access token" action="Go on" now={() => client.now()} onToken={(token) => { setReplacing(false); onToken(token); }} />
      </Dialog>
    );
  }
  if (until === undefined) return null;
  return (
    <div className={css.ending} role="status">
      <Hourglass size={16} aria-hidden />
      <p>Your access token is not valid yet. It is tried again at <span className="num">{clockSeconds(until)}</span>.</p>
      <Button kind="plain" onClick={() => setReplacing(true)}>Use another</Button>
    </div>
  );
}
