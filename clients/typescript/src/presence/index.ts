// Who is there: those whom somebody here watches, and what this device says of itself.
import type { Availability, Client, FanfareError, Presence, PresenceChanged } from '../index.ts';
import { LIMITS } from '../generated.ts';

/** A refusal that passes is asked again after so long, unless the server says when. */
const AGAIN = 2_000;

/** What is known of people. One for a client: whoever watches shares its subscription. */
export class People {
  readonly #client: Client;
  readonly #off: (() => void)[];
  readonly #listeners = new Set<() => void>();
  /** How many watch each. */
  readonly #named = new Map<string, number>();
  #everyone = 0;
  #people: ReadonlyMap<string, Presence> = new Map();
  #view?: number | undefined;
  /** Subscriptions whose answer has not come, and what came meanwhile: it may belong to them. */
  #asking = 0;
  #early: PresenceChanged[] = [];
  #soon = false;
  #timer?: ReturnType<typeof setTimeout> | undefined;
  #status?: Availability | undefined;
  #hidden = false;
  #connection = '';
  #error?: FanfareError | undefined;

  constructor(client: Client) {
    this.#client = client;
    const take = (event: PresenceChanged) => (this.#asking ? void this.#early.push(event) : this.#take([event]));
    this.#off = [
      client.on('state', () => this.#connected()),
      client.on('presence:snapshot', take),
      client.on('presence:changed', take),
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

  of(userId: string): Presence | undefined {
    return this.#people.get(userId);
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
    if (mine.status) this.#status = mine.status;
    return this.#client.request('presence:set', { ...mine, ...(mine.status && { status: this.#said() }) });
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

  #said(): Availability {
    const status = this.#status ?? 'online';
    return status === 'online' && this.#hidden ? 'away' : status;
  }

  #looked(hidden: boolean): void {
    const before = this.#said();
    this.#hidden = hidden;
    if (this.#said() !== before) this.#say();
  }

  #say(): void {
    if (this.#connection) this.#client.request('presence:set', { status: this.#said() }).catch(() => {});
  }

  #connected(): void {
    const { state } = this.#client;
    const connection = state.name === 'open' ? state.connectionId : '';
    if (connection === this.#connection) return;
    this.#connection = connection;
    this.#view = undefined;
    if (!connection) return;
    // The server knows what a device was for some seconds only.
    if (this.#said() !== 'online') this.#say();
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

  async #follow(): Promise<void> {
    clearTimeout(this.#timer);
    const connection = this.#connection;
    if (!connection) return;
    const users = [...this.#named.keys()].sort().slice(0, LIMITS.watched_users);
    const channels = ['presence' as const];
    this.#asking += 1;
    let view: number | undefined;
    let done = true;
    try {
      if (this.#everyone || users.length) {
        const wish = { channels, ...(!this.#everyone && { users }) };
        const answer = await this.#client.request('subscribe', wish);
        view = answer.subscriptions[0]?.view;
      } else {
        await this.#client.request('unsubscribe', { channels });
      }
      this.#error = undefined;
    } catch (failed) {
      done = false;
      const error = failed as FanfareError;
      const passes = error.code === 'UNAVAILABLE' || error.code === 'RATE_LIMIT_EXCEEDED' || error.code === 'CONFLICT';
      if (passes) this.#timer = setTimeout(() => this.#ask(), error.retryAfterMs ?? AGAIN);
      else if (connection === this.#connection) this.#error = error;
    }
    this.#asking -= 1;
    if (this.#asking) return;
    const early = this.#early.splice(0);
    if (connection !== this.#connection) return;
    if (done) {
      // The answer starts anew.
      this.#view = view;
      this.#people = new Map();
    }
    this.#take(early);
  }

  #take(events: PresenceChanged[]): void {
    const people = new Map(this.#people);
    for (const { users } of events.filter(({ view }) => view === this.#view)) {
      for (const person of users) {
        const had = people.get(person.user_id);
        if (!had || had.version <= person.version) people.set(person.user_id, person);
      }
    }
    this.#people = people;
    for (const listener of [...this.#listeners]) listener();
  }
}
