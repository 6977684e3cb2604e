import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { FanfareProvider } from 'fanfare-client/react';
import { Tooltip } from 'radix-ui';
import { expose } from './lib/expose';
import { SessionContext } from './session/context';
import { Session } from './session/session';
import { SignIn } from './session/SignIn';
import type { Tabs } from './session/tabs';
import { forget, keep, takeFromAddress } from './session/token';
import { refusal } from './session/refusal';
import { Shell } from './shell/Shell';

/** Signed in or not. */
export function App({ initial, tabs }: { initial: Session | undefined; tabs: Tabs }) {
  const [session, setSession] = useState(initial);
  const [problem, setProblem] = useState<string>();
  const current = useRef(session);
  useEffect(() => { current.current = session; }, [session]);
  /** The token that was refused last. */
  const refused = useRef<string>(undefined);

  const begin = useCallback((token: string, owner?: string) => {
    keep(token);
    current.current?.end();
    setSession((current.current = new Session(token, owner)));
  }, []);
  /** With a token of the same user the session goes on, otherwise another one begins. */
  const use = useCallback((token: string) => {
    setProblem(undefined);
    if (current.current) current.current.renew(token);
    else begin(token);
  }, [begin]);
  const signIn = useCallback((token: string) => {
    refused.current = undefined;
    use(token);
  }, [use]);
  const leave = useCallback(() => {
    forget();
    setProblem(undefined);
    current.current?.leave();
    setSession((current.current = undefined));
  }, []);
  const signOut = useCallback(() => {
    const owner = current.current?.owner;
    if (owner !== undefined) tabs.left(owner);
    leave();
  }, [leave, tabs]);

  // What other tabs have and do.
  useEffect(() => tabs.attach({
    token: () => current.current?.token,
    good: () => current.current?.good,
    take: (token) => { if (token !== refused.current) use(token); },
    leave,
  }), [tabs, use, leave]);

  // The address that the server prints, opened where the console is open already.
  useEffect(() => {
    const listen = () => {
      const token = takeFromAddress();
      if (token !== undefined) signIn(token);
    };
    addEventListener('hashchange', listen);
    return () => removeEventListener('hashchange', listen);
  }, [signIn]);

  useEffect(() => {
    if (new URLSearchParams(location.search).has('test')) expose(session ? { session } : {});
    // A token that never let us in: back to the door, with the reason. Later refusals are told inside (Renew).
    let shared: string | undefined;
    const check = () => {
      if (session?.another) return begin(session.another.token, session.another.owner);
      const good = session?.good;
      if (good && good.token !== shared) {
        shared = good.token;
        tabs.renewed(good);
      }
      if (!session || session.who || session.client.state.name !== 'closed') return;
      const reason = refusal(session.client.state);
      if (reason === undefined) return;
      refused.current = session.token;
      session.end();
      forget();
      setProblem(reason);
      setSession((current.current = undefined));
      // Another tab may have a newer one.
      tabs.look();
    };
    check();
    const offs = [session?.client.on('state', check), session?.onChange(check)];
    return () => { for (const off of offs) off?.(); };
  }, [session, tabs, begin]);

  const signed = useMemo(() => session && { session, signOut }, [session, signOut]);
  return (
    <Tooltip.Provider delayDuration={500} skipDelayDuration={200}>
      {signed ? (
        <FanfareProvider client={signed.session.client}>
          <SessionContext value={signed}>
            <Shell key={signed.session.key} onToken={signIn} />
          </SessionContext>
        </FanfareProvider>
      ) : (
        <SignIn problem={problem} onToken={signIn} />
      )}
    </Tooltip.Provider>
  );
}
