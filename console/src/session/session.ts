// Everything that lives from signing in to signing out.
import { Client, FanfareError, memoryStore, type State } from 'fanfare-client';
import { indexedStore, type KeyValue } from 'fanfare-client/store';
import { Begun } from '../chat/beginning';
import { StatsHistory } from '../connection/history';
import { LiveFleet } from '../fleet/fleet';
import { Emitter } from '../lib/emitter';
import { EventLog } from '../log/log';
import { NoticeBoard } from '../notices/board';
import { blocked, deleteDatabase, FOLDER } from '../lib/storage';
import { forgetStatus } from '../people/kept';
import { Drafts } from './drafts';
import { askWho, ownerOf, type Ask } from './identity';
import { EXPIRED } from './refusal';
import { Rights } from './rights';
import type { Good } from './tabs';
import { claims, expired, keep, keepOwner, keptOwner, type Claims } from './token';

/** How long the server may take to say whether a token is good; and whose it is, before the page connects all the same. */
const EXCHANGE = 10_000;
const FIRST = 2_000;

let made = 0;

export class Session {
  readonly client: Client;
  /** Tells this session from others on the page. */
  readonly key = (made += 1);
  readonly fleet: LiveFleet;
  readonly log: EventLog;
  readonly history: StatsHistory;
  readonly notices: NoticeBoard;
  readonly rights: Rights;
  /** What the token says, before the server has confirmed it: to show, and for nothing else. */
  readonly claims: Claims;
  /** Whose this session is, once the server has said it. */
  owner: string | undefined;
  /** A token that turned out to be another user's: it needs another session. */
  another: { token: string; owner: string } | undefined;
  /** As the server said when it last let us in. */
  who: Extract<State, { name: 'open' }> | undefined;
  /** What one has typed but not sent. */
  readonly drafts: Drafts;
  readonly begun: Begun;
  /** The newest token that the server has taken. */
  accepted: string | undefined;
  /** When the newest token ends, by the server's clock. */
  endsAt: number | undefined;
  /** The newest token that was given to an open connection was refused. */
  refusedToken = false;
  #changes = new Emitter<void>();
  readonly onChange = this.#changes.on;
  /** Whether one insists on WebSocket. */
  forced = false;
  #token: string;
  /** A newer one of which the server has not said yet whether it is good: tried again with each connection. */
  #candidate: string | undefined;
  #store = new LaterStore();
  #ended = false;
  readonly #ask: Ask;
  /** The token that the client has. */
  #given: string | undefined;

  constructor(token: string, owner?: string, ask: Ask = askWho) {
    this.#token = token;
    this.#ask = ask;
    this.claims = claims(token) ?? { departments: [] };
    this.drafts = new Drafts();
    this.begun = new Begun(this.drafts);
    this.client = new Client({
      // Behind a proxy the page may be in a folder, and so is the server.
      url: new URL('.', location.href).href,
      token: ({ reason }) => {
        if (reason === 'expired' && this.#candidate !== undefined) this.#take(this.#candidate);
        // There is no other one until somebody pastes it: to try again with this one would be in vain.
        if (reason === 'expired' && this.#token === this.#given) throw new FanfareError('AUTH_FAILED', expired(this.#token, this.client.now()) ? EXPIRED : 'the token was refused');
        return (this.#given = this.#token);
      },
      store: this.#store,
    });
    this.client.on('state', (state) => {
      if (state.name !== 'open') return;
      this.who = state;
      this.accepted = this.#given;
      this.#is(ownerOf(state.organizationId, state.userId));
      if (this.#given === this.#token) this.endsAt = state.expiresAt;
      if (this.#candidate !== undefined) void this.#exchange(this.#candidate);
    });
    this.rights = new Rights(this.client, () => this.#given);
    this.log = new EventLog(this.client);
    this.notices = new NoticeBoard(this.client);
    this.history = new StatsHistory(this.client);
    this.fleet = new LiveFleet(this.client);
    const known = owner ?? keptOwner(token);
    if (known !== undefined) this.#is(known);
    void this.#begin();
  }

  /** What is kept for a user is there before the first connection. */
  async #begin(): Promise<void> {
    if (this.owner === undefined) {
      const { who } = await this.#ask(this.#token, FIRST);
      if (who) this.#is(who.owner);
    }
    if (!this.#ended) this.client.connect();
  }

  /** The server has said whose this is. Whose it is once it stays: another user gets another session. */
  #is(owner: string): void {
    if (this.owner === undefined) {
      this.owner = owner;
      this.drafts.belong(owner);
      this.#store.be(blocked() ? memoryStore() : indexedStore(databaseOf(owner)));
      this.#changes.emit();
    }
    if (this.owner === owner) keepOwner(this.#token, owner);
    else this.another = { token: this.#token, owner };
  }

  /** The newest token that the server has taken, and what it said of it. */
  get good(): Good | undefined {
    const [token, owner, expires] = [this.accepted, this.owner, this.endsAt];
    return token === undefined || owner === undefined || expires === undefined ? undefined : { token, owner, expires };
  }

  /** Reads from the server's HTTP interface, by its path. */
  ask = async (path: string): Promise<unknown> => {
    const answer = await fetch(path, { headers: { authorization: `Bearer ${this.#given ?? this.#token}` } });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer.json();
  };

  /** The newest one that this session has. */
  get token(): string {
    return this.#token;
  }

  /** Goes on with another token, if it is of the same user: the server says so. */
  renew(token: string): void {
    if (token === this.#token) this.client.connect();
    else void this.#exchange(token);
  }

  #take(token: string): void {
    this.#token = token;
    this.#candidate = undefined;
    keep(token);
  }

  /** Takes a new token once the server says that it is good, and whose: a bad one must not take the place of a good one. */
  async #exchange(token: string): Promise<void> {
    this.#candidate = token;
    const { who, refused } = await this.#ask(token, EXCHANGE);
    // Another one was given meanwhile.
    if (this.#candidate !== token || this.#ended) return;
    this.refusedToken = refused;
    const { name } = this.client.state;
    if (who && who.owner !== this.owner) {
      this.#candidate = undefined;
      this.another = { token, owner: who.owner };
    } else if (who) {
      this.#take(token);
      keepOwner(token, who.owner);
      this.accepted = token;
      this.endsAt = who.expires;
    } else if (refused && name !== 'closed') {
      this.#candidate = undefined;
      keep(this.#token);
    } else if (name === 'closed' || this.accepted === undefined) this.#take(token);
    // A connection that is open goes on with the former one; it takes the new one when that ends.
    if (!this.another && name !== 'open') this.client.connect();
    this.#changes.emit();
  }

  /** Uses WebSocket only, or again whatever works best. */
  force(websocket: boolean): void {
    this.forced = websocket;
    this.client.useTransport(websocket ? 'websocket' : 'auto');
  }

  /** It was read that the new token was refused. */
  understood(): void {
    this.refusedToken = false;
    this.#changes.emit();
  }

  end(): void {
    this.#ended = true;
    this.fleet.close();
    this.rights.close();
    this.log.close();
    this.notices.close();
    this.history.close();
    this.client.close();
  }

  /** Ends it and leaves nothing of its user on this machine, what was not sent included. */
  leave(): void {
    this.end();
    this.drafts.clear();
    if (this.owner === undefined) return;
    deleteDatabase(databaseOf(this.owner));
    forgetStatus(this.owner);
  }
}

const databaseOf = (owner: string): string => `fanfare-console:${FOLDER}:${owner}`;

/** A user's own store: of nobody's until it is known whose. What one left unsent, another must not send. */
class LaterStore implements KeyValue {
  be!: (store: KeyValue) => void;
  #store: KeyValue | undefined;
  readonly #known = new Promise<KeyValue>((resolve) => {
    this.be = (store) => resolve((this.#store = store));
  });

  get name(): string {
    return this.#store?.name ?? `fanfare-console:${FOLDER}`;
  }

  get = async (key: string): Promise<unknown> => (await this.#known).get(key);
  set = async (key: string, value: unknown): Promise<void> => (await this.#known).set(key, value);
  delete = async (key: string): Promise<void> => (await this.#known).delete(key);
}
