// Everything that lives from signing in to signing out.
import { Client, FanfareError, memoryStore, type State } from 'fanfare-client';
import { indexedStore } from 'fanfare-client/store';
import { StatsHistory } from '../connection/history';
import { LiveFleet } from '../fleet/fleet';
import { Emitter } from '../lib/emitter';
import { EventLog } from '../log/log';
import { NoticeBoard } from '../notices/board';
import { blocked, deleteDatabase, FOLDER } from '../lib/storage';
import { forgetStatus } from '../people/kept';
import { Drafts } from './drafts';
import { EXPIRED } from './refusal';
import { Rights } from './rights';
import { claims, expired, keep, type Claims } from './token';

/** How long the server may take to say whether a token is good. */
const EXCHANGE = 10_000;

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
  /** What the token says of its owner, before the server has confirmed it. */
  readonly claims: Claims;
  /** As the server said when it last let us in. */
  who: Extract<State, { name: 'open' }> | undefined;
  /** What one has typed but not sent. */
  readonly drafts: Drafts;
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
  #database: string;
  /** The token that the client has. */
  #given: string | undefined;

  constructor(token: string) {
    this.#token = token;
    this.claims = claims(token) ?? { departments: [] };
    this.drafts = new Drafts(this.claims);
    const { owner } = this.claims;
    this.#database = `fanfare-console:${FOLDER}:${owner ?? ''}`;
    this.client = new Client({
      // Behind a proxy the page may be in a folder, and so is the server.
      url: new URL('.', location.href).href,
      token: ({ reason }) => {
        if (reason === 'expired' && this.#candidate !== undefined) this.#take(this.#candidate);
        // There is no other one until somebody pastes it: to try again with this one would be in vain.
        if (reason === 'expired' && this.#token === this.#given) throw new FanfareError('AUTH_FAILED', expired(this.#token, this.client.now()) ? EXPIRED : 'the token was refused');
        return (this.#given = this.#token);
      },
      // Of its own for each user: what one left unsent, another must not send.
      store: owner === undefined || blocked() ? memoryStore() : indexedStore(this.#database),
    });
    this.client.on('state', (state) => {
      if (state.name !== 'open') return;
      this.who = state;
      this.accepted = this.#given;
      if (this.#given === this.#token) this.endsAt = state.expiresAt;
      if (this.#candidate !== undefined) void this.#exchange(this.#candidate);
    });
    this.rights = new Rights(this.client, () => this.#given);
    this.log = new EventLog(this.client);
    this.notices = new NoticeBoard(this.client);
    this.history = new StatsHistory(this.client);
    this.fleet = new LiveFleet(this.client);
    this.client.connect();
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

  /** Goes on with another token of the same user. */
  renew(token: string): boolean {
    if (token === this.#token) return true;
    const { owner } = this.claims;
    if (owner === undefined || claims(token)?.owner !== owner) return false;
    // A connection that is open goes on with the present one; it takes the new one when that ends.
    if (this.client.state.name === 'open') void this.#exchange(token);
    else {
      this.#token = token;
      this.client.connect();
    }
    return true;
  }

  #take(token: string): void {
    this.#token = token;
    this.#candidate = undefined;
    keep(token);
  }

  /** Takes a new token once the server says that it is good: a bad one must not take the place of a good one. */
  async #exchange(token: string): Promise<void> {
    this.#candidate = token;
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch('api/v1/me', { headers, signal: AbortSignal.timeout(EXCHANGE) }).catch(() => undefined);
    const said = (await answer?.json().catch(() => undefined)) as { expires_at?: number; code?: string } | undefined;
    // Another one was given meanwhile.
    if (this.#candidate !== token) return;
    const refused = answer?.status === 401 || answer?.status === 403;
    // One that is not valid yet may be when it is needed.
    this.refusedToken = refused && said?.code !== 'TOKEN_NOT_YET_VALID';
    if (this.refusedToken) {
      this.#candidate = undefined;
      keep(this.#token);
    } else if (answer?.ok) {
      this.#take(token);
      this.accepted = token;
      this.endsAt = said?.expires_at;
    }
    this.#changes.emit();
  }

  /** Uses WebSocket only, or again whatever works best. */
  force(websocket: boolean): void {
    this.forced = websocket;
    this.client.useTransport(websocket ? 'websocket' : 'auto');
  }

  end(): void {
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
    deleteDatabase(this.#database);
    this.drafts.clear();
    forgetStatus(this.claims);
  }
}
