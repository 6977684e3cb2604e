import { Dialog } from '../ui/Dialog';
import { useConnection, useSigned } from './context';
import { refusal } from './refusal';
import { Button } from '../ui/Button';
import { TokenForm } from './SignIn';
import css from './session.module.css';

/** Stands over everything once the server has closed the door on a session that was open. */
export function Renew({ onToken }: { onToken: (token: string) => void }) {
  const state = useConnection();
  const { session, signOut } = useSigned();
  const reason = refusal(state);
  if (reason === undefined || !session.who) return null;
  return (
    <Dialog title="Signed out by the server" text={`${reason} Paste a new token to go on: nothing here is lost.`} onClose={() => {}}>
      <TokenForm label="New access token" action="Go on" now={() => session.client.now()} onToken={onToken} />
      <div className={css.or}>
        <Button kind="quiet" onClick={signOut}>Sign out</Button>
      </div>
    </Dialog>
  );
}
