import { useCallback, useEffect, useMemo, useState } from 'react';
import { FanfareProvider } from 'fanfare-client/react';
import { Tooltip } from 'radix-ui';
import { expose } from './lib/expose';
import { SessionContext } from './session/context';
import { Session } from './session/session';
import { SignIn } from './session/SignIn';
import { forget, keep, takeFromAddress } from './session/token';
import { refusal } from './session/refusal';
import { Shell } from './shell/Shell';

/** Signed in or not. */
export function App({ initial }: { initial: Session | undefined }) {
  const [session, setSession] = useState(initial);
  const [problem, setProblem] = useState<string>();

  const signIn = useCallback((token: string) => {
    keep(token);
    setProblem(undefined);
    setSession(new Session(token));
  }, []);
  const signOut = useCallback(() => {
    forget();
    setProblem(undefined);
    session?.leave();
    setSession(undefined);
  }, [session]);

  // The address that the server prints, opened where the console is open already.
  useEffect(() => {
    const listen = () => {
      const token = takeFromAddress();
      if (token === undefined || session?.renew(token)) return;
      session?.end();
      signIn(token);
    };
    addEventListener('hashchange', listen);
    return () => removeEventListener('hashchange', listen);
  }, [session, signIn]);

  useEffect(() => {
    if (new URLSearchParams(location.search).has('test')) expose(session ? { session } : {});
    // A token that never let us in: back to the door, with the reason. Later refusals are told inside (Renew).
    const check = () => {
      if (!session || session.who || session.client.state.name !== 'closed') return;
      const reason = refusal(session.client.state);
      if (reason === undefined) return;
      session.end();
      forget();
      setProblem(reason);
      setSession(undefined);
    };
    check();
    return session?.client.on('state', check);
  }, [session]);

  const signed = useMemo(() => session && { session, signOut }, [session, signOut]);
  return (
    <Tooltip.Provider delayDuration={500} skipDelayDuration={200}>
      {signed ? (
        <FanfareProvider client={signed.session.client}>
          <SessionContext value={signed}>
            <Shell onToken={signIn} />
          </SessionContext>
        </FanfareProvider>
      ) : (
        <SignIn problem={problem} onToken={signIn} />
      )}
    </Tooltip.Provider>
  );
}
