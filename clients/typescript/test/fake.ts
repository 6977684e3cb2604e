// A world for tests: a clock that stands still until it is moved, and transports whose other end is the test.
import { Client, type Authenticated, type Clock, type Kind, type Lane, type Link, type Listener, type Open, type Options, type State } from '../src/index.ts';

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeClock implements Clock {
  /** The monotonic time: timers go by it. */
  time = 1_790_000_000_000;
  /** How far this machine's clock is ahead of it. */
  wrong = 0;
  readonly #timers = new Set<{ at: number; then: () => void }>();

  now(): number {
    return this.time + this.wrong;
  }

  monotonic(): number {
    return this.time;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { at: this.time + ms, then };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Moves time on, timer by timer. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.time = Math.max(this.time, next.at);
      this.#timers.delete(next);
      next.then();
      await settle();
    }
    this.time = end;
  }

  /** The machine sleeps: time moves on, timers run late. */
  async sleep(ms: number): Promise<void> {
    this.time += ms;
    await this.pass(0);
  }

  get timers(): number {
    return this.#timers.size;
  }
}

interface Said {
  event: string;
  id: number;
  data: Record<string, unknown>;
}

/** The server's end of a connection. */
export class FakeLink {
  readonly said: Said[] = [];
  readonly packets: Uint8Array[] = [];
  closed?: { code: number; reason: string };
  /** Whether the network takes packets. */
  room = true;

  constructor(
    readonly kind: Kind,
    readonly listener: Listener,
    private readonly answer?: (link: FakeLink, said: Said) => void,
  ) {}

  readonly link: Link = ((self) => ({
    get kind() {
      return self.kind;
    },
    send(text: string) {
      const said = JSON.parse(text) as Said;
      self.said.push(said);
      self.answer?.(self, said);
    },
    sendPacket: (bytes: Uint8Array) => self.room && self.packets.push(bytes) > 0,
    close(code: number, reason: string) {
      self.closed ??= { code, reason };
    },
  }))(this);

  say(event: object, lane: Lane = this.kind === 'websocket' ? 'both' : 'ordered'): void {
    this.listener.event(JSON.stringify(event), lane);
  }

  /** Answers the newest request of that name. */
  reply(event: string, data: object, name = 'reply'): void {
    const said = this.asked(event).at(-1);
    if (!said) throw new Error(`${event} was not asked`);
    this.say({ event: name, re: said.id, data });
  }

  refuse(event: string, code: string, retry_after_ms?: number): void {
    this.reply(event, { code, message: code, ...(retry_after_ms !== undefined && { retry_after_ms }) }, 'error');
  }

  asked(event: string): Said[] {
    return this.said.filter((said) => said.event === event);
  }

  /** The connection ends, with a code or without. */
  end(code?: number, reason = ''): void {
    this.listener.closed(code === undefined ? {} : { code, reason });
  }
}

export type Behaviour = 'open' | 'hang' | 'fail';

export class World {
  readonly clock = new FakeClock();
  readonly links: FakeLink[] = [];
  /** What becomes of an attempt to open. */
  readonly behaviour: Record<Kind, Behaviour> = { webtransport: 'open', websocket: 'open' };
  /** Whether `authenticate` is answered at once. */
  greets = true;
  greeting: Partial<Authenticated> = {};
  /** What `client:ping` gets. */
  pongs = true;
  random = 0.5;
  discovered = 0;
  opened: Kind[] = [];

  readonly #open = (kind: Kind): Open => {
    return async (_address, listener, signal) => {
      this.opened.push(kind);
      if (this.behaviour[kind] === 'fail') throw new Error('refused');
      if (this.behaviour[kind] === 'hang') {
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))));
      }
      const link = new FakeLink(kind, listener, (link, said) => this.#answer(link, said));
      this.links.push(link);
      return link.link;
    };
  };

  client(options: Partial<Options> = {}): Client {
    const answer = { webtransport: { url: 'https://h/wt', certificate_hashes: ['00ff'] }, websocket: { url: 'ws://h/ws' } };
    const client = new Client({
      url: 'http://h',
      token: 't-1',
      clock: this.clock,
      random: () => this.random,
      fetch: (async () => {
        this.discovered += 1;
        return { ok: true, json: async () => answer };
      }) as unknown as typeof fetch,
      transports: { webtransport: this.#open('webtransport'), websocket: this.#open('websocket') },
      ...options,
    });
    return client;
  }

  /** A client that connects; `link` is there if something opened at once. */
  async connected(options: Partial<Options> = {}): Promise<{ client: Client; link: FakeLink }> {
    const client = this.client(options);
    client.connect();
    await this.clock.pass(0);
    return { client, link: this.links.at(-1) as FakeLink };
  }

  /** The newest connection. */
  get link(): FakeLink {
    const link = this.links.at(-1);
    if (!link) throw new Error('nobody has connected');
    return link;
  }

  greet(link: FakeLink): void {
    const time = this.clock.time;
    const greeting = {
      connection_id: `n-${this.links.length}`,
      user_id: 'alice',
      organization_id: 'acme',
      roles: ['supervisor'],
      expires_at: time + 3_600_000,
      heartbeat_ms: 25_000,
      silence_ms: 60_000,
      time,
      ...this.greeting,
    };
    link.reply('authenticate', greeting, 'authenticated');
  }

  #answer(link: FakeLink, said: Said): void {
    if (said.event === 'authenticate' && this.greets) this.greet(link);
    if (said.event === 'client:ping' && this.pongs) link.reply('client:ping', { time: this.clock.time }, 'client:pong');
  }
}

/** Names of the states that a client goes through. */
export function states(client: Client): State['name'][] {
  const names: State['name'][] = [client.state.name];
  client.on('state', ({ name }) => names.push(name));
  return names;
}

export function message(seq: number, more: object = {}) {
  return {
    event: 'message:new',
    topic: 'conversation:c1',
    epoch: 1,
    seq,
    at: seq,
    by: 'bob',
    client_id: `k-${seq}`,
    data: { conversation_id: 'c1', text: `text ${seq}` },
    ...more,
  };
}

export function topics(...list: { topic?: string; seq: number; head?: number; epoch?: number; recovered?: boolean }[]) {
  const rows = list.map((row) => ({ topic: 'conversation:c1', epoch: 1, head: row.seq, unread: 0, ...row }));
  return { event: 'topics', data: { topics: rows, more: false } };
}

/** Time passes and the server is heard. */
export async function keepAlive(world: World, ms: number): Promise<void> {
  for (let rest = ms; rest > 0; rest -= 20_000) {
    world.link.say({ event: 'server:ping', data: { time: world.clock.time } });
    await world.clock.pass(Math.min(rest, 20_000));
  }
}
