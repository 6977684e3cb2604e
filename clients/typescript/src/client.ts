import { systemClock, type Clock } from './clock.ts';
import { PASSING } from './codes.ts';
import { Connector } from './connector.ts';
import { Cursors } from './cursors.ts';
import { baseOf, checkedHosts } from './discovery.ts';
import { Emitter } from './emitter.ts';
import { disconnected, FanfareError, report } from './error.ts';
import { Feed } from './feed.ts';
import {
  LOG_EVENTS,
  type Answers,
  type Authenticated,
  type ErrorCode,
  type GoingAway,
  type LocationStored,
  type LogEvent,
  type ServerPing,
  type Subscribe,
  type Subscribed,
  type SubscriptionEnded,
  type TopicName,
  type Topics,
} from './generated.ts';
import { Kept } from './kept.ts';
import { Locations } from './locations.ts';
import type { Failure } from './machine.ts';
import { watchPage } from './page.ts';
import { isDurable, Requests } from './requests.ts';
import type { Incoming, Session } from './session.ts';
import { ServerTime } from './servertime.ts';
import type { KeyValue } from './store.ts';
import { Tokens } from './tokens.ts';
import type { Lane } from './transport.ts';
import type { Events, Mode, Options, Pending, RequestData, RequestName, RequestOptions, State, Stats } from './types.ts';
import { openWebSocket } from './websocket.ts';
import { openWebTransport } from './webtransport.ts';

/** Rules of subscribing that are not in the page's hands. */
export type LocationOptions = Omit<Subscribe, 'channels'>;

/** Round trips are measured for `stats` at most so often. */
const MEASURE = 2_000;
/** Pause before a subscription that was refused for now is asked for again, where the server names none. */
const AGAIN = 2_000;
/** Pause before a page that was left tries again, if it is not gone after all. */
const LEFT = 30_000;

/** Why nothing is answered any more: with the server's own code, where it gave one. */
const closed = ({ error, code, reason }: Failure) =>
  error ?? new FanfareError('CLOSED', reason || (code === undefined ? 'the client is closed' : `refused, close code ${code}`));

/** Whether a newer token has come, on the same connection. */
const renewed = (state: State, before: State) =>
  state.name === 'open' && before.name === 'open' && state.connectionId === before.connectionId;

/** Where the page comes from. */
function page(): string {
  const { origin } = globalThis.location ?? {};
  if (!origin || origin === 'null') throw new TypeError('`url` is needed: this is no page of a server');
  return origin;
}

export class Client {
  readonly #clock: Clock;
  readonly #store: KeyValue | undefined;
  readonly #base: URL;
  readonly #deviceId: string | undefined;
  readonly #limit: number;
  readonly #connector: Connector;
  readonly #requests: Requests;
  readonly #time: ServerTime;
  readonly #cursors = new Cursors();
  readonly #feed: Feed;
  readonly #events = new Emitter<Events>();
  readonly #subscriptions = new Set<{ readonly wish: string }>();
  #kept?: Kept | undefined;
  #unwatch?: (() => void) | undefined;
  #stopSubscribing = () => {};
  #counts = { resumed: 0, gaps: 0 };
  #measuredAt = -Infinity;

  constructor(options: Options) {
    this.#clock = options.clock ?? systemClock;
    this.#store = options.store;
    this.#base = baseOf(options.url ?? page());
    this.#deviceId = options.deviceId;
    this.#feed = new Feed(this.#clock, () => this.#time.now());
    this.#limit = options.outboxLimit ?? 1000;
    const random = options.random ?? Math.random;
    this.#time = new ServerTime(this.#clock);
    this.#requests = new Requests({
      clock: this.#clock,
      time: this.#time,
      random,
      limit: this.#limit,
      changed: () => {
        this.#kept?.waits();
        this.#events.emit('outbox', this.outbox);
      },
    });
    const settings = {
      base: this.#base,
      hosts: checkedHosts(options.hosts ?? []),
      clock: this.#clock,
      time: this.#time,
      random,
      fetch: options.fetch ?? ((...args: Parameters<typeof fetch>) => fetch(...args)),
      tokens: new Tokens(options.token, this.#clock),
      transports: {
        ...(typeof WebTransport === 'function' && { webtransport: openWebTransport }),
        ...(typeof WebSocket === 'function' && { websocket: openWebSocket }),
        ...options.transports,
      },
    };
    this.#connector = new Connector(settings, options.transport ?? 'auto', {
      prepare: () => this.#prepare(),
      hello: () => this.#hello(),
      welcome: (greeting) => this.#welcome(greeting),
      timed: (ahead) => this.#requests.timed(ahead),
      attached: (session) => this.#attached(session),
      detached: () => this.#detached(),
      ended: (failure) => this.#ended(failure),
      revoked: (session, channels) => {
        if (channels.includes('locations')) {
          this.#feed.interrupted();
          this.#subscribe(session);
        }
        this.#events.emit('resubscribe', channels);
      },
      event: (event, lane) => this.#event(event, lane),
      packet: (bytes, kind) => this.#subscriptions.size > 0 && this.#feed.packet(bytes, kind === 'webtransport'),
      changed: (state, before) => {
        if (renewed(state, before)) this.#regranted();
        this.#events.emit('state', state, before);
      },
      measured: () => this.#events.emit('stats', this.#read()),
    });
  }

  get state(): State {
    return this.#connector.state;
  }

  /** Durable requests that are not answered yet. */
  get outbox(): readonly Pending[] {
    return this.#requests.pending;
  }

  /**
   * The server's time in milliseconds since 1970, as far as it is known: by this machine's clock until the first
   * greeting. Ages that people see are differences to this, as a device's own clock may be wrong.
   */
  now(): number {
    return this.#time.now();
  }

  /** Connects, and comes back until `close`. Throws where this platform has no transport. */
  connect(): void {
    this.#connector.check();
    this.#unwatch ??= watchPage({
      wake: () => this.#connector.input({ name: 'wake' }),
      offline: () => this.#connector.probe(),
      left: () => {
        this.#kept?.flush();
        this.#connector.cut({ reason: 'page left' }, LEFT);
      },
    });
    this.#connector.input({ name: 'connect' });
  }

  /** Ends the connection. What the outbox holds is kept and goes with the next `connect`. */
  close(): void {
    this.#connector.input({ name: 'close' });
  }

  /** Hears an event of the server or of the client. Answers how to hear it no more. */
  on<E extends keyof Events>(event: E, handler: (...args: Events[E]) => void): () => void {
    return this.#events.on(event, handler);
  }

  /**
   * Asks the server. Rejects with a `FanfareError`. A durable request (one with a `client_id`) waits for as long as it
   * takes, across connections; others are rejected when theirs ends.
   */
  request<E extends RequestName>(event: E, data: RequestData<E>, options?: RequestOptions): Promise<Answers[E]> {
    const durable = isDurable(event);
    const { name } = this.state;
    if (!durable && name === 'closed') return Promise.reject(closed(this.state as Failure));
    if (!durable && name === 'backoff') return Promise.reject(disconnected());
    return this.#requests.add(event, data as object, options) as Promise<Answers[E]>;
  }

  /** Follows the live positions. A later subscription with other options decides what all of them see. */
  subscribe(channel: 'locations', options: LocationOptions = {}): Locations {
    const before = this.#wish();
    const subscription = { wish: JSON.stringify(options) };
    this.#subscriptions.add(subscription);
    const changed = (old?: string) => {
      const wish = this.#wish();
      if (wish === old) return;
      const session = this.#connector.session;
      if (session) this.#subscribe(session);
      if (wish !== undefined) return;
      session?.ask('unsubscribe', { channels: [channel] }, { done() {}, failed() {} });
      this.#feed.clear();
    };
    changed(before);
    return new Locations(this.#feed, () => {
      const old = this.#wish();
      this.#subscriptions.delete(subscription);
      changed(old);
    });
  }

  /**
   * Numbers about the connection. Asking measures the round trip now and then, unless told not to; `stats` tells when
   * it is known.
   */
  stats(measure = true): Stats {
    if (measure && this.#clock.monotonic() - this.#measuredAt >= MEASURE) {
      this.#measuredAt = this.#clock.monotonic();
      this.#connector.ping();
    }
    return this.#read();
  }

  /** Changes the transport; throws where this platform does not have it. The connection that there is stays until the other one is open. */
  useTransport(mode: Mode): void {
    this.#connector.prefer(mode);
  }

  /** Cuts the connection as a network would; it comes back by itself. */
  interrupt(): void {
    this.#connector.cut({ reason: 'interrupted' });
  }

  /**
   * Sends a packet of fixes (`fanfare-client/fixes` makes them), which may get lost: `location:stored` tells what the
   * server has. Send what it does not name again, by `request('location:update', …)`. Answers whether it went out.
   */
  sendPacket(packet: Uint8Array): boolean {
    const link = this.#connector.session?.link;
    return link !== undefined && link.sendPacket(packet) !== false;
  }

  /** Opens what is kept, once for each time between `connect` and `close`. */
  #prepare(): Promise<void> {
    this.#kept ??= new Kept(this.#store, this.#base.href, this.#clock, {
      cursors: () => this.#cursors.list(),
      outbox: () => this.outbox,
      known: (late) => this.#known(this.#kept as Kept, late),
      adopt: (outbox) => {
        const fits = this.outbox.length + outbox.length <= this.#limit;
        if (fits) this.#requests.restore(outbox, this.#kept?.owner);
        return fits;
      },
    });
    return this.#kept.opened;
  }

  #known(kept: Kept, late: boolean): void {
    if (kept.transport) this.#connector.remembered ??= kept.transport;
    this.#requests.restore(kept.outbox, kept.owner);
    const passed = this.#cursors.load(kept.cursors);
    // Others have been followed since.
    if (late) for (const topic of passed) this.#gap(topic);
  }

  #hello() {
    const cursors = this.#cursors.told();
    const device = this.#deviceId ?? this.#kept?.device;
    return { ...(device && { device_id: device }), ...(cursors.length > 0 && { cursors }) };
  }

  /** Cursors and outbox of one user are not another's. */
  #welcome({ organization_id, user_id }: Authenticated): boolean {
    const owner = `${organization_id}/${user_id}`;
    const other = this.#requests.greeted(owner);
    const stranger = this.#kept?.greeted(owner) || other;
    if (stranger) {
      this.#cursors.clear();
      this.#feed.clear();
    }
    this.#kept?.flush();
    return !stranger;
  }

  #attached(session: Session): void {
    this.#cursors.begin();
    this.#kept?.worked(this.#connector.remembered);
    this.#subscribe(session);
    this.#requests.attach(session);
    this.#kept?.adopt().catch(report);
  }

  #detached(): void {
    this.#stopSubscribing();
    this.#requests.detach();
    this.#feed.interrupted();
  }

  #ended(failure: Failure): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#requests.end(closed(failure));
    this.#detached();
    this.#kept?.close();
    this.#kept = undefined;
  }

  #event(event: Incoming, lane: Lane): void {
    const { data } = event;
    switch (event.event) {
      case 'topics':
        return this.#topics(data as Topics);
      case 'server:ping':
        this.#connector.showed((data as ServerPing).time);
        this.#cursors.moved((data as ServerPing).pos ?? [], lane);
        return this.#kept?.moved();
      case 'server:going_away':
        this.#connector.leave((data as GoingAway).within_ms);
        break;
      case 'subscription:ended':
        this.#refused(data as SubscriptionEnded);
        break;
      case 'location:stored':
        this.#lost(data as LocationStored);
        break;
      case 'location:snapshot':
        this.#feed.snapshot(data as never);
        break;
      case 'location:agents':
        this.#feed.joined(data as never);
        break;
      case 'location:removed':
        this.#feed.removed(data as never);
        break;
    }
    if ((LOG_EVENTS as readonly string[]).includes(event.event)) return this.#entry(event as unknown as LogEvent);
    // All names of the protocol but two have a colon, so that none is mistaken for one of the client's own.
    if (event.event.includes(':') || event.event === 'error') this.#events.emit(event.event as 'message:read', data as never);
  }

  /** Fixes that will never be stored: as good as always the device's clock is wrong, and each of them is lost. */
  #lost({ rejected = [] }: LocationStored): void {
    if (this.#events.has('location:stored')) return;
    for (const { reason } of rejected) this.#connector.say(`fixes are refused: ${reason}; \`location:stored\` tells which`, 'error');
  }

  #entry(entry: LogEvent): void {
    if (this.#cursors.seen(entry)) return;
    // Handlers first: where the page dies between them and the cursor, the event comes again.
    this.#events.emit(entry.event as 'message:new', entry as never);
    this.#cursors.passed(entry);
    this.#kept?.moved();
  }

  #topics(topics: Topics): void {
    for (const state of topics.topics) {
      if (state.recovered) this.#counts.resumed += 1;
      if (this.#cursors.resumed(state)) this.#gap(state.topic);
    }
    this.#kept?.moved();
    this.#events.emit('topics', topics);
  }

  #gap(topic: TopicName): void {
    this.#counts.gaps += 1;
    this.#events.emit('gap', { topic });
  }

  /** The rights of a newer token no longer grant it. */
  #refused({ channel, view, error }: SubscriptionEnded): void {
    if (channel !== 'locations' || !this.#feed.follows(view)) return;
    const heard = this.#feed.events.has('error') || this.#events.has('error') || this.#events.has('subscription:ended');
    if (!heard) this.#connector.say(`locations: ${error.code} ${error.message}`, 'error');
    this.#feed.clear(new FanfareError(error.code, error.message));
  }

  /** Other rights may grant what was refused for good. */
  #regranted(): void {
    const session = this.#connector.session;
    if (session && this.#feed.error) this.#subscribe(session);
  }

  /** Options of the subscription that counts, as text. */
  #wish(): string | undefined {
    return [...this.#subscriptions].at(-1)?.wish;
  }

  #subscribe(session: Session): void {
    this.#stopSubscribing();
    const wish = this.#wish();
    if (wish === undefined) return;
    session.ask('subscribe', { channels: ['locations'], ...JSON.parse(wish) }, {
      done: ({ subscriptions }: Subscribed) => {
        if (wish !== this.#wish() || session !== this.#connector.session) return;
        for (const granted of subscriptions) if (granted.channel === 'locations') this.#feed.granted(granted);
      },
      failed: (error) => {
        const { code, message, retryAfterMs = PASSING.includes(code) ? AGAIN : undefined } = error;
        if (code === 'DISCONNECTED' || session !== this.#connector.session) return;
        const heard = this.#events.emit('error', { code: code as ErrorCode, message });
        if (!heard && retryAfterMs === undefined && !this.#feed.events.has('error')) this.#connector.say(`locations: ${code} ${message}`, 'error');
        if (wish !== this.#wish()) return;
        if (retryAfterMs === undefined) this.#feed.clear(error);
        else this.#stopSubscribing = this.#clock.after(retryAfterMs, () => this.#subscribe(session));
      },
    });
  }

  #read(): Stats {
    const { session, state, rttMs, connections, bytesBefore, heardBefore } = this.#connector;
    const heard = session?.lastHeard ?? heardBefore;
    return {
      ...(state.name === 'open' && { transport: state.transport }),
      ...(rttMs !== undefined && { rttMs }),
      packets: this.#feed.packets,
      lost: this.#feed.lost,
      drops: this.#feed.drops,
      reconnects: Math.max(0, connections - 1),
      resumed: this.#counts.resumed,
      gaps: this.#counts.gaps,
      outbox: this.outbox.length,
      bytesIn: bytesBefore + (session?.bytesIn ?? 0),
      lastHeard: heard === undefined ? 0 : this.now() - Math.round(this.#clock.monotonic() - heard),
    };
  }
}
