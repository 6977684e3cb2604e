// Several transports try to get in; the first whose `authenticate` is answered wins, the others are closed.
import { closeCodeOf } from './codes.ts';
import { patiently, type Clock } from './clock.ts';
import type { Authenticate, Authenticated } from './generated.ts';
import { WAY } from './inflate.ts';
import type { Failure } from './machine.ts';
import { Session } from './session.ts';
import type { Address, Kind, Open } from './transport.ts';

/** The most that an attempt takes, from its first packet to the answer. */
const PATIENCE = 10_000;

export interface Entrant {
  readonly kind: Kind;
  readonly address: Address;
  readonly open: Open;
  /** Head start of those before it: it begins so much later, or as soon as one of them has failed. */
  readonly after: number;
}

export interface Judge {
  /** What to say first. */
  hello(): Authenticate;
  opened(kind: Kind): void;
  /** At once when the answer is read: the events after it are the winner's already. */
  won(session: Session, kind: Kind): void;
  lost(failure: Failure): void;
}

/** Starts the race. Answers how to call it off; the judge hears nothing more then. */
export function race(entrants: readonly Entrant[], clock: Clock, judge: Judge): () => void {
  const running = new Map<Entrant, { session: Session; abort: AbortController }>();
  const timers: (() => void)[] = [];
  const waiting = new Set(entrants);
  let over = false;
  let why: Failure = {};

  const slower = (session: Session) => session.close(1000, 'slower');

  const end = (winner?: Session) => {
    over = true;
    for (const cancel of timers) cancel();
    for (const { session, abort } of running.values()) {
      if (session === winner) continue;
      abort.abort();
      slower(session);
    }
  };

  const drop = (entrant: Entrant, failure: Failure, final = false) => {
    if (over || !running.delete(entrant)) return;
    // A reason is worth more than a broken connection.
    if (failure.code !== undefined || failure.error) why = failure;
    for (const next of waiting) start(next);
    if (running.size > 0 && !final) return;
    end();
    judge.lost(why);
  };

  const start = (entrant: Entrant) => {
    if (over || !waiting.delete(entrant)) return;
    const session = new Session(clock);
    const abort = new AbortController();
    running.set(entrant, { session, abort });
    session.user = { event() {}, packet() {}, ended: (end) => drop(entrant, end) };
    entrant.open(entrant.address, session, abort.signal).then(
      (link) => {
        session.link = link;
        if (over) return slower(session);
        judge.opened(entrant.kind);
        const asked = clock.monotonic();
        session.ask('authenticate', { ...judge.hello(), ...(link.inflates && { compress: [WAY] }) }, {
          done: (greeting: Authenticated) => {
            if (over) return;
            session.greeting = greeting;
            session.greetedAfter = asked;
            end(session);
            judge.won(session, entrant.kind);
          },
          failed: (error) => {
            // Its end is told by `ended`, with the code.
            if (error.code === 'DISCONNECTED') return;
            session.close(1000, 'refused');
            // The other transport would be told the same.
            drop(entrant, { code: closeCodeOf(error.code, error.retryAfterMs), reason: error.message || error.code, error }, true);
          },
        });
      },
      () => drop(entrant, {}),
    );
  };

  timers.push(
    patiently(clock, PATIENCE, () => {
      end();
      judge.lost(why);
    }),
  );
  for (const entrant of entrants) {
    if (entrant.after === 0) start(entrant);
    else timers.push(patiently(clock, entrant.after, () => start(entrant)));
  }
  return () => end();
}
