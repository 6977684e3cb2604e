// What the hooks share: one store for each client and wish, however many components look.
import { Chat } from '../chat/index.ts';
import { People } from '../presence/index.ts';
import type { Agent, Client, FanfareError, LocationOptions, Locations } from '../index.ts';

export interface LocationsView {
  readonly state: 'waiting' | 'live';
  /** As of the last frame: a map of its own, which does not change while React renders. */
  readonly agents: ReadonlyMap<string, Agent>;
  readonly version: number;
  /** Why the server has refused them. */
  readonly error?: FanfareError;
}

const NOTHING: LocationsView = { state: 'waiting', agents: new Map(), version: 0 };

/** Live positions, published at most once a frame. Subscribed to while somebody looks. */
export class LocationsStore {
  view: LocationsView = NOTHING;
  locations: Locations | undefined;
  readonly #client: Client;
  readonly #options: LocationOptions;
  readonly #listeners = new Set<() => void>();
  #users = 0;
  #frame?: (() => void) | undefined;

  constructor(client: Client, options: LocationOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Keeps the subscription alive. Answers how to let go. */
  readonly retain = (): (() => void) => {
    this.#users += 1;
    if (!this.locations) {
      this.locations = this.#client.subscribe('locations', this.#options);
      this.locations.on('change', () => this.#soon());
      this.#soon();
    }
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#users -= 1;
      // Not at once: StrictMode and a change of page let go and take hold again in one go.
      setTimeout(() => this.#users === 0 && this.#end());
    };
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    const entry = () => listener();
    this.#listeners.add(entry);
    const release = this.retain();
    return () => {
      this.#listeners.delete(entry);
      release();
    };
  };

  readonly read = (): LocationsView => this.view;

  /** A copy of thousands of agents costs something: none is made where nobody reads it. */
  #soon(): void {
    this.#frame ??= nextFrame(() => {
      this.#frame = undefined;
      if (!this.locations || this.#listeners.size === 0) return;
      const { state, agents, version, error } = this.locations;
      this.view = { state, agents: new Map(agents), version, ...(error && { error }) };
      for (const listener of [...this.#listeners]) listener();
    });
  }

  #end(): void {
    this.#frame?.();
    this.#frame = undefined;
    this.locations?.close();
    this.locations = undefined;
    this.view = NOTHING;
  }
}

function nextFrame(then: () => void): () => void {
  // A hidden page has no frames; it is not looked at either, but its numbers should be right when it is.
  if (typeof requestAnimationFrame === 'function' && globalThis.document?.visibilityState !== 'hidden') {
    const frame = requestAnimationFrame(then);
    return () => cancelAnimationFrame(frame);
  }
  const timer = setTimeout(then, 100);
  return () => clearTimeout(timer);
}

const locations = new WeakMap<Client, Map<string, LocationsStore>>();
const chats = new WeakMap<Client, Chat>();

export function locationsOf(client: Client, options: LocationOptions): LocationsStore {
  let stores = locations.get(client);
  if (!stores) locations.set(client, (stores = new Map()));
  const wish = JSON.stringify(options);
  let store = stores.get(wish);
  if (!store) stores.set(wish, (store = new LocationsStore(client, options)));
  return store;
}

/** The client's chat: it listens from the first use on, as long as there is the client. */
export function chatOf(client: Client): Chat {
  let chat = chats.get(client);
  if (!chat) chats.set(client, (chat = new Chat(client)));
  return chat;
}

const people = new WeakMap<Client, People>();

/** What is known of people, and this device's own presence: as long as there is the client. */
export function peopleOf(client: Client): People {
  let found = people.get(client);
  if (!found) people.set(client, (found = new People(client)));
  return found;
}
