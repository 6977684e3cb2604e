// Carries out what the machine's table says: gets a connection, keeps an eye on it, gets the next one.
import { CAP, delay } from './backoff.ts';
import type { Clock } from './clock.ts';
import { adviceOf } from './codes.ts';
import { discover, unreachable } from './discovery.ts';
import { FanfareError } from './error.ts';
import type { Authenticate, Authenticated, Channel, TokenRefreshed } from './generated.ts';
import { step, type Action, type Failure, type Input } from './machine.ts';
import { looked, online } from './page.ts';
import { race, type Entrant, type Judge } from './race.ts';
import type { ServerTime } from './servertime.ts';
import type { Incoming, Session } from './session.ts';
import type { Tokens } from './tokens.ts';
import type { Kind, Lane, Open } from './transport.ts';
import type { Mode, State } from './types.ts';
import { Watch } from './watch.ts';

/** WebTransport's lead over WebSocket. */
const HEAD_START = 500;
/** A connection that lived for so long was a good one: the next loss starts the back-off from its beginning. */
const GOOD = 5_000;
/** Pauses between attempts at a transport that we would rather have. */
const UPGRADE = { first: 30_000, most: 600_000 };

/** How long a server that goes away is expected back, and the longest pause meanwhile. */
const SOON = { lasts: 30_000, most: 3_000 };
/** The server's time is measured again after so long. */
const MEASURE = 300_000;
/** Different lines that a client writes to the console at most. */
const SAID = 20;

/** What the rest of the client does as connections come and go. */
export interface Host {
  /** Before each attempt. */
  prepare(): Promise<void>;
  hello(): Omit<Authenticate, 'token'>;
  /** Whether this greeting is meant for us as we are; else the next attempt is. */
  welcome(greeting: Authenticated): boolean;
  /** The server's clock is known, and so far ahead of this machine's. */
  timed(ahead: number): void;
  attached(session: Session): void;
  detached(): void;
  ended(failure: Failure): void;
  /** Rights have changed, and these channels show something else by them: they must be subscribed to again. */
  revoked(session: Session, channels: readonly Channel[]): void;
  event(event: Incoming, lane: Lane): void;
  packet(bytes: Uint8Array, kind: Kind): void;
  changed(state: State, before: State): void;
  measured(): void;
}

export interface Settings {
  /** The server's address: everything is asked for beneath it. */
  readonly base: URL;
  /** Hosts besides its own that may be connected to. */
  readonly hosts: readonly string[];
  readonly clock: Clock;
  readonly time: ServerTime;
  readonly random: () => number;
  readonly fetch: typeof fetch;
  readonly tokens: Tokens;
  /** Transports that this platform has. */
  readonly transports: Partial<Record<Kind, Open>>;
}

export class Connector {
  state: State = { name: 'closed' };
  mode: Mode;
  session?: Session | undefined;
  /** Which transport won last. */
  remembered?: Kind;
  rttMs?: number;
  connections = 0;
  /** Received by the connections before this one, and when last by the monotonic clock. */
  bytesBefore = 0;
  heardBefore?: number;
  readonly #settings: Settings;
  readonly #host: Host;
  readonly #watch: Watch;
  /** Failures in a row. */
  #failures = 0;
  /** A fresh token was tried after one that was refused. */
  #secondToken = false;
  /** Why there was none. */
  #noToken?: FanfareError;
  #stopAttempt = () => {};
  #stopUpgrade?: (() => void) | undefined;
  #stopTimer = () => {};
  #upgradePause = UPGRADE.first;
  #nextUpgrade = Infinity;
  /** Until then the server is expected back at any moment. This and all times below are the monotonic clock's. */
  #soon = -Infinity;
  #openedAt = 0;
  /** Length of the pause that begins. */
  #pause = 0;
  /** What is worth a line in the console was written there. */
  #said = new Set<string>();

  constructor(settings: Settings, mode: Mode, host: Host) {
    this.#settings = settings;
    this.mode = mode;
    this.#host = host;
    this.#watch = new Watch(settings.clock, settings.time, {
      dead: (reason) => this.cut({ reason }),
      awake: () => this.input({ name: 'wake' }),
      expiring: () => this.#renew(),
      tick: (now) => now >= this.#nextUpgrade && this.#upgrade(),
      measured: (ms) => {
        this.rttMs = ms;
        host.measured();
      },
    });
  }

  /** The only way from one state to another. */
  input(input: Input): void {
    const before = this.state;
    const next = step(before, input);
    if (!next) return;
    const [state, action] = next;
    this.state = state;
    this.#act(action, input);
    // The action may have led on already: then that change was told, and this one is no news.
    if (state !== before && this.state === state) this.#host.changed(state, before);
  }

  /** Ends the connection, or the attempt at one, as a network would. */
  cut(failure: Failure, pause?: number): void {
    if (this.state.name === 'closed' || this.state.name === 'backoff') return;
    const lived = this.state.name === 'open' ? this.#now - this.#openedAt : 0;
    this.#fail(failure, lived, pause);
  }

  /** Measures the round trip. */
  ping(): void {
    this.#watch.ping();
  }

  /** Asks the other end of the connection, if there is one, for a sign of life. */
  probe(): void {
    this.#watch.probe();
  }

  /** Another transport is wanted. */
  prefer(mode: Mode): void {
    this.check(mode);
    this.mode = mode;
    this.#stopUpgrade?.();
    this.#stopUpgrade = undefined;
    this.input({ name: 'redial' });
  }

  /** The server goes away: the next connection is opened beside this one, at a random moment, as others move too. */
  leave(within: number): void {
    const { clock, random } = this.#settings;
    this.#soon = this.#now + SOON.lasts;
    this.#stopUpgrade?.();
    this.#stopUpgrade = clock.after((random() * Math.min(within, CAP)) / 2, () => this.#beside(this.#kinds()));
  }

  get #now(): number {
    return this.#settings.clock.monotonic();
  }

  #act(action: Action, input: Input): void {
    switch (action) {
      case 'dial':
        this.#stop();
        this.#stopAttempt = this.#dial(this.#kinds(), {
          opened: (transport) => this.input({ name: 'opened', transport }),
          lost: (failure) => this.#fail(failure, 0),
        });
        return;
      case 'adopt':
        return this.#adopt();
      case 'wait':
        this.#drop((input as Failure).reason);
        this.#stopTimer = this.#settings.clock.after(this.#pause, () => this.input({ name: 'due' }));
        return this.#host.detached();
      case 'end':
        this.#drop((input as Failure).reason);
        this.#failures = 0;
        this.#secondToken = false;
        return this.#host.ended(input as Failure);
      case 'probe':
        return this.probe();
      case 'upgrade':
        return this.#upgrade();
      case 'none':
    }
  }

  /** Begins an attempt. Answers how to give it up. */
  #dial(kinds: readonly Kind[], judge: Pick<Judge, 'opened' | 'lost'>): () => void {
    const { base, hosts, clock, fetch, tokens, transports } = this.#settings;
    const abort = new AbortController();
    const begin = async () => {
      const [token, { addresses, left, ...ways }] = await Promise.all([
        this.#host.prepare().then(() => tokens.get()),
        discover(base, hosts, clock, fetch, abort.signal),
      ]);
      if (abort.signal.aborted) return;
      for (const url of left) this.say(`${url} is not used: it is not ${base.origin}'s, or weaker; \`hosts\` may name it`);
      const entrants: Entrant[] = [];
      for (const kind of kinds) {
        const [address, open] = [addresses[kind], transports[kind]];
        if (!address || !open) continue;
        const lead = entrants.length > 0 && this.remembered !== 'websocket' ? HEAD_START : 0;
        entrants.push({ kind, address, open, after: lead });
      }
      if (entrants.length === 0) return judge.lost({ reason: 'no transport' });
      const lost = (failure: Failure) => {
        if (failure.code !== undefined || failure.error || failure.reason) return judge.lost(failure);
        const reason = unreachable(base, ways);
        if (this.connections === 0) this.say(reason);
        judge.lost({ reason });
      };
      const stop = race(entrants, clock, {
        ...judge,
        lost,
        hello: () => ({ token, ...this.#host.hello() }),
        won: (session, kind) => {
          abort.signal.removeEventListener('abort', stop);
          this.#won(session, kind, judge);
        },
      });
      abort.signal.addEventListener('abort', stop, { once: true });
    };
    begin().catch((error: unknown) => {
      if (abort.signal.aborted) return;
      const why = error instanceof FanfareError ? error : new FanfareError('AUTH_FAILED', String(error));
      // Whoever throws this very error says that there will be no token.
      const final = error instanceof FanfareError && error.code === 'AUTH_FAILED';
      this.#noToken = why;
      judge.lost({ code: final ? 4200 : 4102, reason: why.message, error: why });
    });
    return () => abort.abort();
  }

  #won(session: Session, kind: Kind, judge: Pick<Judge, 'lost'>): void {
    const greeting = session.greeting as Authenticated;
    if (!this.#host.welcome(greeting)) {
      session.close(1000, 'another user');
      return judge.lost({ reason: 'another user' });
    }
    const guessed = this.#settings.time.known ? undefined : this.#settings.time.now();
    this.#settings.time.showed(greeting.time, session.greetedAfter);
    if (guessed !== undefined) this.#host.timed(this.#settings.time.now() - guessed);
    const before = this.session;
    this.session = session;
    session.user = {
      event: (event, lane) => this.#host.event(event, lane),
      packet: (bytes) => this.#host.packet(bytes, kind),
      ended: (end) => this.cut(end),
    };
    if (this.mode === 'auto') this.remembered = kind;
    this.connections += 1;
    this.#openedAt = this.#now;
    this.input({ name: 'accepted', transport: kind, greeting, now: this.#settings.time.now() });
    // After the new one has taken over everything: nobody listens to the old one any more.
    this.#close(before, 'replaced');
    session.release();
  }

  /** The server's clock showed `time` when it wrote what has just come. What does not fit, and what is old, is measured. */
  showed(time: number): void {
    if (!this.#settings.time.showed(time) || this.#settings.time.age > MEASURE) this.ping();
  }

  /** Writes a line to the console, once. */
  say(line: string, level: 'warn' | 'error' = 'warn'): void {
    if (this.#said.size >= SAID || this.#said.has(line)) return;
    this.#said.add(line);
    console[level](`Fanfare: ${line}`);
  }

  /** Throws where there is no transport of the wanted kind: waiting would not help. */
  check(mode = this.mode): void {
    if (this.#kinds(mode).some((kind) => this.#settings.transports[kind])) return;
    const wanted = mode === 'auto' ? 'neither WebTransport nor WebSocket' : `no ${mode}`;
    throw new FanfareError('NO_TRANSPORT', `this platform has ${wanted}; Node needs version 22, or 20 with --experimental-websocket, or \`transports\``);
  }

  #adopt(): void {
    const session = this.session as Session;
    const greeting = session.greeting as Authenticated;
    this.#secondToken = false;
    this.#stopUpgrade?.();
    this.#stopUpgrade = undefined;
    this.#nextUpgrade = this.#wanted().length > 0 ? this.#now + this.#upgradePause : Infinity;
    if (this.#nextUpgrade === Infinity) this.#upgradePause = UPGRADE.first;
    this.#watch.start(session, greeting, this.#settings.tokens.renewable);
    this.#host.attached(session);
  }

  /** Decides whether it is worth coming back, and when. */
  #fail(failure: Failure, lived: number, pause?: number): void {
    const { tokens, random } = this.#settings;
    let advice = adviceOf(failure.code);
    if (failure.code === 4003) {
      tokens.spoil();
      if (!tokens.renewable) advice = 'never';
    } else if (failure.code === 4200 && tokens.renewable && !this.#secondToken && !(failure.error && failure.error === this.#noToken)) {
      this.#secondToken = true;
      tokens.spoil();
      advice = 'now';
    }
    if (advice === 'never') return this.input({ name: 'refused', ...failure });
    this.#failures = lived >= GOOD ? 0 : this.#failures + 1;
    const wait = Math.max(
      pause ?? delay(this.#failures, advice, random, this.#now < this.#soon ? SOON.most : CAP),
      failure.error?.retryAfterMs ?? 0,
      // No hammering without a network. `online` ends the wait.
      online() ? 0 : CAP,
    );
    this.#pause = wait;
    this.input({ name: 'lost', attempt: this.#failures + 1, until: this.#settings.time.now() + wait, ...failure });
  }

  #drop(reason = 'closed'): void {
    this.#stop();
    this.#nextUpgrade = Infinity;
    this.#watch.stop();
    const session = this.session;
    this.session = undefined;
    this.#close(session, reason);
  }

  #close(session: Session | undefined, reason: string): void {
    if (!session) return;
    this.bytesBefore += session.bytesIn;
    this.heardBefore = session.lastHeard;
    session.close(1000, reason);
  }

  #stop(): void {
    this.#stopAttempt();
    this.#stopUpgrade?.();
    this.#stopUpgrade = undefined;
    this.#stopTimer();
  }

  #kinds(mode = this.mode): Kind[] {
    return mode === 'auto' ? ['webtransport', 'websocket'] : [mode];
  }

  /** What we would rather have than the transport that there is. */
  #wanted(): Kind[] {
    if (this.state.name !== 'open') return [];
    const better: Kind = this.mode === 'auto' ? 'webtransport' : this.mode;
    return this.state.transport === better || !this.#settings.transports[better] ? [] : [better];
  }

  /** Tries it beside the connection that there is, which stays until the other one is authenticated. */
  #upgrade(): void {
    const kinds = this.#wanted();
    this.#nextUpgrade = kinds.length > 0 ? this.#now + this.#upgradePause : Infinity;
    if (kinds.length === 0 || this.#stopUpgrade || !online() || !looked()) return;
    this.#upgradePause = Math.min(2 * this.#upgradePause, UPGRADE.most);
    this.#nextUpgrade = this.#now + this.#upgradePause;
    this.#beside(kinds);
  }

  #beside(kinds: readonly Kind[]): void {
    const lost = () => (this.#stopUpgrade = undefined);
    this.#stopUpgrade = this.#dial(kinds, { opened() {}, lost });
  }

  /** Renews the token in place. Where that fails the server closes in the end, and we return with a new one. */
  async #renew(): Promise<void> {
    const { tokens } = this.#settings;
    const session = this.session;
    const token = await tokens.ask('expiring').catch(() => undefined);
    if (token === undefined || !session || session !== this.session) return;
    session.ask('token:refresh', { token }, {
      done: (renewed: TokenRefreshed) => {
        if (session !== this.session) return;
        tokens.use(token);
        this.#watch.expires(renewed.expires_at);
        this.input({ name: 'renewed', roles: renewed.roles, expiresAt: renewed.expires_at });
        if (renewed.resubscribe?.length) this.#host.revoked(session, renewed.resubscribe);
      },
      failed() {},
    });
  }
}
