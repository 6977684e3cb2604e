// Everything that lives from signing in to signing out.
import { Client, FanfareError, type State } from 'fanfare-client';
import { indexedStore } from 'fanfare-client/store';
import { StatsHistory } from '../connection/history';
import { LiveFleet } from '../fleet/fleet';
import { EventLog } from '../log/log';
import { NoticeBoard } from '../notices/board';
import { forgetStatus } from '../people/kept';
import { EXPIRED } from './refusal';
import { Rights } from './rights';
import { claims, expired, type Claims } from './token';

export class Session {
  readonly client: Client;
  readonly fleet: LiveFleet;
  readonly log: EventLog;
  readonly history: StatsHistory;
  readonly notices: NoticeBoard;
  readonly rights: Rights;
  /** What the token says of its owner, before the server has confirmed it. */
  readonly claims: Claims;
  /** As the server said when it last let us in. */
  who: Extract<State, { name: 'open' }> | undefined;
  /** What one has typed but not sent, for each conversation. */
  readonly drafts = new Map<string, string>();
  /** Whether one insists on WebSocket. */
  forced = false;
  #token: string;
  #database: string;
  /** The token that the client has. */
  #given: string | undefined;

  constructor(token: string) {
    this.#token = token;
    this.claims = claims(token) ?? { departments: [] };
    const { organization = '', user = '' } = this.claims;
    this.#database = `fanfare-console:${organization}:${user}`;
    this.client = new Client({
      token: ({ reason }) => {
        // There is no other one until somebody pastes it: to try again with this one would be in vain.
        if (reason === 'expired' && this.#token === this.#given) throw new FanfareError('AUTH_FAILED', expired(this.#token) ? EXPIRED : 'the token was refused');
        return (this.#given = this.#token);
      },
      // Of its own for each user: what one left unsent, another must not send.
      store: indexedStore(this.#database),
    });
    this.client.on('state', (state) => {
      if (state.name === 'open') this.who = state;
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

  /** Goes on with another token of the same user. */
  renew(token: string): boolean {
    const other = claims(token);
    if (other?.user !== this.claims.user || other?.organization !== this.claims.organization) return false;
    this.#token = token;
    this.client.connect();
    return true;
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
    indexedDB.deleteDatabase(this.#database);
    forgetStatus(this.claims);
  }
}
