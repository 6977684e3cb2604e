import { systemClock, type Clock } from './clock.ts';
import { Connector } from './connector.ts';
import { baseOf, checkedHosts } from './discovery.ts';
import { Emitter } from './emitter.ts';
import { disconnected, FanfareError, report } from './error.ts';
import type { Answers, Authenticated } from './generated.ts';
import { Inbox } from './inbox.ts';
import { Kept } from './kept.ts';
import type { Locations } from './locations.ts';
import type { Failure } from './machine.ts';
import { pageAddress, watchPage } from './page.ts';
import { Positions, type LocationOptions } from './positions.ts';
import { isDurable, Requests } from './requests.ts';
import type { Session } from './session.ts';
import { ServerTime } from './servertime.ts';
import type { KeyValue } from './store.ts';
import { Tokens } from './tokens.ts';
import type { Events, Mode, Options, Pending, RequestData, RequestName, RequestOptions, State, Stats } from './types.ts';
import { openWebSocket } from './websocket.ts';
import { openWebTransport } from './webtransport.ts';

export type { LocationOptions };

/** Round trips are measured for `stats` at most so often. */
const MEASURE = 2_000;
/** Pause before a page that was left tries again, if it is not gone after all. */
const LEFT = 30_000;

/** Why nothing is answered any more: with the server's own code, where it gave one. */
const closed = ({ error, code, reason }: Failure) =>
  error ?? new FanfareError('CLOSED', reason || (code === undefined ? 'the client is closed' : `refused, close code ${code}`));

/** Whether a newer token has come, on the same connection. */
const renewed = (state: State, before: State) =>
  state.name === 'open' && before.name === 'open' && state.connectionId === before.connectionId;

export class Client {
  readonly #clock: Clock;
  readonly #store: KeyValue | undefined;
  readonly #base: URL;
  readonly #deviceId: string | undefined;
  readonly #limit: number;
  readonly #connector: Connector;
  readonly #requests: Requests;
  readonly #time: ServerTime;
  readonly #inbox: Inbox;
  readonly #positions: Positions;
  readonly #events = new Emitter<Events>();
  #kept?: Kept | undefined;
  #unwatch?: (() => void) | undefined;
  #measuredAt = -Infinity;

  constructor(options: Options) {
    this.#clock = options.clock ?? systemClock;
    this.#store = options.store;
    this.#base = baseOf(options.url ?? pageAddress());
    this.#deviceId = options.deviceId;
    this.#limit = options.outboxLimit ?? 1000;
    const random = options.random ?? Math.random;
    this.#time = new ServerTime(this.#clock);
    this.#positions = new Positions({
      clock: this.#clock,
      events: this.#events,
      now: () => this.#time.now(),
      session: () => this.#connector.session,
      say: (line) => this.#connector.say(line, 'error'),
    });
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
    this.#inbox = new Inbox({
      events: this.#events,
      showed: (time) => this.#connector.showed(time),
      leave: (within) => this.#connector.leave(within),
      moved: () => this.#kept?.moved(),
      event: (event) => this.#positions.event(event),
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
        if (channels.includes('locations')) this.#positions.changed(session);
        this.#events.emit('resubscribe', channels);
      },
      event: (event, lane) => this.#inbox.event(event, lane),
      packet: (bytes, kind) => this.#positions.packet(bytes, kind === 'webtransport'),
      changed: (state, before) => {
        if (renewed(state, before)) this.#positions.regranted();
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
  subscribe(_channel: 'locations', options: LocationOptions = {}): Locations {
    return this.#positions.follow(options);
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
      cursors: () => this.#inbox.cursors.list(),
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
    const passed = this.#inbox.cursors.load(kept.cursors);
    // Others have been followed since.
    if (late) for (const topic of passed) this.#inbox.gap(topic);
  }

  #hello() {
    const cursors = this.#inbox.cursors.told();
    const device = this.#deviceId ?? this.#kept?.device;
    return { ...(device && { device_id: device }), ...(cursors.length > 0 && { cursors }) };
  }

  /** Cursors and outbox of one user are not another's. */
  #welcome({ organization_id, user_id }: Authenticated): boolean {
    const owner = `${organization_id}/${user_id}`;
    const other = this.#requests.greeted(owner);
    const stranger = this.#kept?.greeted(owner) || other;
    if (stranger) {
      this.#inbox.cursors.clear();
      this.#positions.feed.clear();
    }
    this.#kept?.flush();
    return !stranger;
  }

  #attached(session: Session): void {
    this.#inbox.cursors.begin();
    this.#kept?.worked(this.#connector.remembered);
    this.#positions.ask(session);
    this.#requests.attach(session);
    this.#kept?.adopt().catch(report);
  }

  #detached(): void {
    this.#requests.detach();
    this.#positions.detached();
  }

  #ended(failure: Failure): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#requests.end(closed(failure));
    this.#detached();
    this.#kept?.close();
    this.#kept = undefined;
  }

  #read(): Stats {
    const { session, state, rttMs, connections, bytesBefore, heardBefore } = this.#connector;
    const heard = session?.lastHeard ?? heardBefore;
    return {
      ...(state.name === 'open' && { transport: state.transport }),
      ...(rttMs !== undefined && { rttMs }),
      packets: this.#positions.feed.packets,
      lost: this.#positions.feed.lost,
      drops: this.#positions.feed.drops,
      reconnects: Math.max(0, connections - 1),
      resumed: this.#inbox.resumed,
      gaps: this.#inbox.gaps,
      outbox: this.outbox.length,
      bytesIn: bytesBefore + (session?.bytesIn ?? 0),
      lastHeard: heard === undefined ? 0 : this.now() - Math.round(this.#clock.monotonic() - heard),
    };
  }
}
