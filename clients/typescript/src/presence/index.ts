// Who is there: those whom somebody here watches, and what this device says of itself.
import type { Availability, Client, Presence, PresenceChanged, Subscribe, SubscriptionEnded } from '../index.ts';
import { FanfareError } from '../error.ts';
import { LIMITS } from '../generated.ts';

/** A refusal that passes is asked again after so long, unless the server says when. */
const AGAIN = 2_000;
/** No server means more; of more than 24 days `setTimeout` makes none. */
const LONGEST = 86_400_000;
/** Events held while a subscription is asked for, and people made up who were never there. */
const HELD = 1_000;
const STRANGERS = 10_000;
/** The wish for everyone, as text. */
const EVERYONE = '{}';

/** A part of a snapshot, which says whether another follows, or a change. */
type News = PresenceChanged & { more?: boolean };

/** What is known of people. One for a client: whoever watches shares its subscription. */
export class People {
  readonly #client: Client;
  readonly #off: (() => void)[];
  readonly #listeners = new Set<() => void>();
  /** How many watch each. */
  readonly #named = new Map<string, number>();
  #everyone = 0;
  #people: ReadonlyMap<string, Presence> = new Map();
  /** What the subscription that holds has told. */
  #told = new Map<string, Presence>();
  /** What was shown before it, for as long as its snapshot is not complete. */
  #before: ReadonlyMap<string, Presence> = new Map();
  /** Whether everyone has been told of. */
  #whole = false;
  /** Made once each: who compares finds them as they were. */
  readonly #strangers = new Map<string, Presence>();
  #view?: number | undefined;
  /** What the server was asked for last on this connection, as text. */
  #asked?: string | undefined;
  /** Whether the server refuses to tell of everyone: then those who are named are watched. */
  #refused = false;
  /** Subscriptions whose answer has not come, and what came meanwhile: it may belong to them. */
  #asking = 0;
  #early: News[] = [];
  #missed = false;
  #soon = false;
  #timer?: ReturnType<typeof setTimeout> | undefined;
  #status?: Availability | undefined;
  /** What this device is for the server, as far as it has answered. */
  #said?: Availability | undefined;
  #sayings = 0;
  #hidden = false;
  #connection = '';
  /** Whose it was. */
  #owner = '';
  #error?: FanfareError | undefined;
  /** The last refusal that nobody listened to: written to the console once. */
  #line = '';

  constructor(client: Client) {
    this.#client = client;
    const take = (event: News) => {
      if (!this.#asking) return this.#take([event]);
      this.#early.push(event);
      // More than fits: what it would have told is asked for.
      if (this.#early.length > HELD) this.#early = [];
      this.#missed ||= this.#early.length === 0;
    };
    this.#off = [
      client.on('state', () => this.#connected()),
      client.on('presence:snapshot', take),
      client.on('presence:changed', take),
      client.on('subscription:ended', (ended) => this.#ended(ended)),
      client.on('resubscribe', (channels) => channels.includes('presence') && this.#again()),
    ];
    const page = globalThis.document;
    if (page?.addEventListener) {
      const look = () => this.#looked(page.visibilityState === 'hidden');
      page.addEventListener('visibilitychange', look);
      this.#off.push(() => page.removeEventListener('visibilitychange', look));
      this.#hidden = page.visibilityState === 'hidden';
    }
    this.#connected();
  }

  /** As of the last change: a map of its own, which does not change. While there is no connection, what was known last. */
  get all(): ReadonlyMap<string, Presence> {
    return this.#people;
  }

  /** Why the server refuses to tell, until it does. */
  get error(): FanfareError | undefined {
    return this.#error;
  }

  /** What this device is by its user's choice: it is away by itself where its page is hidden. */
  get mine(): Availability {
    return this.#status ?? 'online';
  }

  /** One person. Where everyone is watched, whoever was not told of was never there, and is offline. */
  of(userId: string): Presence | undefined {
    const person = this.#people.get(userId);
    if (person || !this.#whole) return person;
    let stranger = this.#strangers.get(userId);
    if (!stranger && this.#strangers.size >= STRANGERS) this.#strangers.clear();
    if (!stranger) this.#strangers.set(userId, (stranger = { user_id: userId, status: 'offline', version: 0 }));
    return stranger;
  }

  /** Watches these users, at most 200 in all, or everyone. Answers how to stop. */
  watch(users?: readonly string[]): () => void {
    const count = (by: number) => {
      if (!users) this.#everyone += by;
      for (const user of users ?? []) {
        const left = (this.#named.get(user) ?? 0) + by;
        if (left) this.#named.set(user, left);
        else this.#named.delete(user);
      }
      this.#ask();
    };
    count(1);
    let watching = true;
    return () => {
      if (watching) count(-1);
      watching = false;
    };
  }

  /**
   * Says what this device is, also after each reconnect, and what the user shows beside the name. A device that is
   * online is away while its page is hidden.
   */
  async set(mine: { status?: Availability; text?: string }): Promise<Presence> {
    if (mine.status) {
      this.#status = mine.status;
      this.#tell();
    }
    return this.#send({ ...mine, ...(mine.status && { status: this.#now() }) });
  }

  subscribe(listener: () => void): () => void {
    const entry = () => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  close(): void {
    for (const off of this.#off) off();
    clearTimeout(this.#timer);
    this.#listeners.clear();
  }

  /** What this device is just now. */
  #now(): Availability {
    return this.mine === 'online' && this.#hidden ? 'away' : this.mine;
  }

  #looked(hidden: boolean): void {
    const before = this.#now();
    this.#hidden = hidden;
    if (this.#now() !== before) this.#say();
  }

  #say(): void {
    if (this.#connection) this.#send({ status: this.#now() }).catch(() => {});
  }

  async #send(mine: { status?: Availability; text?: string }): Promise<Presence> {
    const { status } = mine;
    if (status) this.#said = undefined;
    const saying = status ? ++this.#sayings : 0;
    const answer = await this.#client.request('presence:set', mine);
    if (saying === this.#sayings) this.#said = status;
    return answer;
  }

  #connected(): void {
    const { state } = this.#client;
    const connection = state.name === 'open' ? state.connectionId : '';
    if (connection === this.#connection) {
      // A newer token: its rights may grant what was refused.
      if (connection && this.#error) this.#again();
      return;
    }
    this.#connection = connection;
    this.#view = undefined;
    this.#asked = undefined;
    this.#refused = false;
    if (!connection) return;
    const owner = state.name === 'open' ? `${state.organizationId}/${state.userId}` : '';
    // Names of another organisation are of other people, and what one has said there is not said here.
    if (this.#owner !== '' && this.#owner !== owner) {
      this.#error = this.#status = this.#said = undefined;
      this.#begin(undefined, undefined);
      this.#tell();
    }
    this.#owner = owner;
    // The server knows what a device was for some seconds only, and so long takes it for that: also for what the page before
    // this one was, which may have been killed.
    if (this.#now() !== 'online' || this.#said !== 'online') this.#say();
    if (this.#everyone || this.#named.size) this.#ask();
  }

  /** Asks for what is wanted now, once for all that is wanted in one go. */
  #ask(): void {
    if (this.#soon) return;
    this.#soon = true;
    queueMicrotask(() => {
      this.#soon = false;
      void this.#follow();
    });
  }

  /** Asks anew, also for what was asked or refused before. */
  #again(): void {
    this.#asked = undefined;
    this.#refused = false;
    this.#ask();
  }

  #wish(): Omit<Subscribe, 'channels'> | undefined {
    if (this.#everyone && !this.#refused) return {};
    const users = [...this.#named.keys()].sort().slice(0, LIMITS.watched_users);
    return users.length ? { users } : undefined;
  }

  async #follow(): Promise<void> {
    clearTimeout(this.#timer);
    const connection = this.#connection;
    if (!connection) return;
    const wish = this.#wish();
    const asked = JSON.stringify(wish) ?? '';
    // Who stops to watch and begins again in one go has changed nothing.
    if (asked === this.#asked) return;
    this.#asked = asked;
    const channels = ['presence' as const];
    this.#asking += 1;
    let view: number | undefined;
    let done = true;
    try {
      if (wish) view = (await this.#client.request('subscribe', { channels, ...wish })).subscriptions[0]?.view;
      else await this.#client.request('unsubscribe', { channels });
      if (!this.#refused) this.#error = undefined;
    } catch (failed) {
      done = false;
      if (connection === this.#connection) this.#failed(failed as FanfareError, asked);
    }
    this.#asking -= 1;
    if (this.#asking) return;
    const early = this.#early.splice(0);
    if (connection !== this.#connection) return;
    if (done) this.#begin(view, wish);
    this.#take(early);
    if (this.#missed) this.#again();
    this.#missed = false;
  }

  #failed(error: FanfareError, asked: string): void {
    if (asked === this.#asked) this.#asked = undefined;
    const passes = error.code === 'UNAVAILABLE' || error.code === 'RATE_LIMIT_EXCEEDED' || error.code === 'CONFLICT';
    if (passes) this.#timer = setTimeout(() => this.#ask(), Math.min(error.retryAfterMs ?? AGAIN, LONGEST));
    else this.#deny(error, asked === EVERYONE);
  }

  #deny(error: FanfareError, everyone: boolean): void {
    const line = `Fanfare: presence: ${error.code} ${error.message}`;
    if (this.#listeners.size === 0 && line !== this.#line) console.error((this.#line = line));
    this.#error = error;
    if (!everyone) return;
    this.#refused = true;
    if (this.#named.size) this.#ask();
  }

  /** Other rights have ended the subscription. */
  #ended({ channel, view, error }: SubscriptionEnded): void {
    if (channel !== 'presence' || view !== this.#view) return;
    this.#view = undefined;
    // What is asked meanwhile is asked by the new rights.
    if (this.#asking) return;
    const everyone = this.#asked === EVERYONE;
    this.#begin(undefined, undefined);
    this.#deny(new FanfareError(error.code, error.message), everyone);
    this.#tell();
  }

  /** The answer starts anew. What is still watched is shown as it was until its snapshot has come. */
  #begin(view: number | undefined, wish: Omit<Subscribe, 'channels'> | undefined): void {
    this.#view = view;
    this.#told = new Map();
    this.#whole = false;
    this.#strangers.clear();
    const stays = (user: string) => wish && (wish.users ?? [user]).includes(user);
    this.#before = new Map([...this.#people].filter(([user]) => stays(user)));
    this.#people = this.#before;
  }

  #take(events: News[]): void {
    for (const { users, more } of events.filter(({ view }) => view === this.#view)) {
      for (const person of users) {
        const had = this.#told.get(person.user_id);
        if (!had || had.version <= person.version) this.#told.set(person.user_id, person);
      }
      if (more !== false) continue;
      this.#before = new Map();
      this.#whole = this.#asked === EVERYONE;
    }
    this.#people = new Map([...this.#before, ...this.#told]);
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
