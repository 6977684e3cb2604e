// The newest events, whatever they are about: a bounded ring, oldest out first.
import type { Client, Events } from 'fanfare-client';
import { Emitter } from '../lib/emitter';
import { isolated, namedIn, short } from '../lib/plain';

export const KEPT = 500;

export interface Entry {
  /** Counts up; never reused. */
  id: number;
  at: number;
  name: string;
  /** What it is about, in a few words. */
  about: string;
  data: unknown;
}

/** Every event of the server, and the client's own that are worth a line. */
const NAMES = [
  'conversation:created', 'message:new', 'message:delivered', 'message:read', 'system:broadcast',
  'location:agents', 'location:removed', 'location:stored', 'topics', 'gap',
] as const satisfies readonly (keyof Events)[];

export class EventLog {
  /** Newest last. Replaced at each change. */
  entries: readonly Entry[] = [];
  /** How many there ever were. */
  total = 0;
  #changes = new Emitter<void>();
  #waiting: Entry[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #offs: (() => void)[];

  onChange = this.#changes.on;

  constructor(client: Client, private now: () => number = () => client.now()) {
    this.#offs = NAMES.map((name) => client.on(name, (data: unknown) => this.add(name, describe(name, data), data)));
    this.#offs.push(
      client.on('state', (state) => {
        const { name, ...rest } = state;
        this.add(`client:${name}`, describeState(state), rest);
      }),
    );
  }

  add(name: string, about: string, data: unknown): void {
    this.#waiting.push({ id: ++this.total, at: this.now(), name, about, data });
    if (this.#waiting.length > KEPT) this.#waiting.shift();
    // Events come in bursts: one change for all of them.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.entries = [...this.entries, ...this.#waiting].slice(-KEPT);
      this.#waiting = [];
      this.#changes.emit();
    }, 100);
  }

  clear(): void {
    this.entries = [];
    this.#waiting = [];
    this.#changes.emit();
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const off of this.#offs) off();
  }
}

type Loose = Record<string, unknown>;

function describe(name: string, value: unknown): string {
  const event = (value ?? {}) as Loose;
  const data = (event.data ?? event) as Loose;
  const size = (list: unknown) => (Array.isArray(list) ? list.length : 0);
  switch (name) {
    case 'message:new':
      return `${id(event.by)}: ${text(data.text)}`;
    case 'message:delivered':
    case 'message:read':
      return `${id(data.user_id)} up to ${data.seq} in ${data.conversation_id}`;
    case 'conversation:created':
      return `${text(data.title ?? data.kind)} by ${id(event.by)}`;
    case 'system:broadcast':
      return `${data.priority ?? 'medium'}: ${text(data.message)}`;
    case 'location:agents':
      return plural(size(data.agents), 'agent') + ' came';
    case 'location:removed':
      return plural(size(data.aliases), 'agent') + ' left';
    case 'topics':
      return plural(size(data.topics), 'topic');
    case 'gap':
      return String(data.topic);
    default:
      return '';
  }
}

function describeState(state: Events['state'][0]): string {
  switch (state.name) {
    case 'open':
      return `${id(state.userId)} on ${state.transport}`;
    case 'backoff':
      return [`attempt ${state.attempt}`, state.code, state.reason].filter(Boolean).join(' · ');
    case 'closed':
      return [state.code, state.reason ?? state.error?.message].filter(Boolean).join(' · ');
    default:
      return `attempt ${state.attempt}`;
  }
}

/** Characters of a text that a line can show at most. */
const LINE = 1000;

const text = (value: unknown) => isolated(short(String(value), LINE));
const id = (value: unknown) => namedIn(String(value));
const plural = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;
