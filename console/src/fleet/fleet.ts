// All agents of the organisation that one may see, live. Wraps the client's subscription so that whoever shows agents
// keeps one object while the department changes under it.
import type { Agent, Client } from 'fanfare-client';
import { Emitter } from '../lib/emitter';

export interface Change {
  changed: readonly Agent[];
  removed: readonly string[];
  /** Forget all that was there before. */
  reset: boolean;
}

/** What the map and the list read. */
export interface Fleet {
  readonly agents: ReadonlyMap<string, Agent>;
  readonly state: 'waiting' | 'live';
  /** Why there is nothing to see. */
  readonly error?: string | undefined;
  /** Grows with each change. */
  readonly version: number;
  onChange(listener: (change: Change) => void): () => void;
  /** The time that ages of positions are counted to: the server's, as this machine's clock may be wrong. */
  now(): number;
}

type Locations = ReturnType<Client['subscribe']>;

export class LiveFleet implements Fleet {
  department: string | undefined;
  /** Narrowings and refusals count, so that `version` never goes back. */
  #narrowed = 0;
  #client: Client;
  #locations: Locations;
  #changes = new Emitter<Change>();
  #off: () => void;

  onChange = this.#changes.on;

  constructor(client: Client) {
    this.#client = client;
    [this.#locations, this.#off] = this.#subscribe();
  }

  get agents(): ReadonlyMap<string, Agent> {
    return this.#locations.agents;
  }

  get state(): 'waiting' | 'live' {
    return this.#locations.state;
  }

  get error(): string | undefined {
    return this.#locations.error?.message;
  }

  now(): number {
    return this.#client.now();
  }

  get version(): number {
    return this.#narrowed + this.#locations.version;
  }

  /** Shows one department only, or all that one may see. */
  narrow(department: string | undefined): void {
    if (department === this.department) return;
    this.department = department;
    this.#narrowed = this.version + 1;
    this.close();
    [this.#locations, this.#off] = this.#subscribe();
    this.#changes.emit({ changed: [], removed: [], reset: true });
  }

  close(): void {
    this.#off();
    this.#locations.close();
  }

  #subscribe(): [Locations, () => void] {
    const narrowed = this.department === undefined ? {} : { department_id: this.department };
    const locations = this.#client.subscribe('locations', narrowed);
    const offChange = locations.on('change', (change) => this.#changes.emit(change));
    const offError = locations.on('error', () => {
      this.#narrowed++;
      this.#changes.emit({ changed: [], removed: [], reset: true });
    });
    return [locations, () => { offChange(); offError(); }];
  }
}
