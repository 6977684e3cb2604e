// Live positions (proto/README.md, "Live positions"): what the events and packets of a view say, put together.
import type { Clock } from './clock.ts';
import { Emitter } from './emitter.ts';
import type { FanfareError } from './error.ts';
import type { AliasedAgent, LocationAgents, LocationRemoved, LocationSnapshot, Subscription } from './generated.ts';
import { unpackTicks, type Ticks } from './ticks.ts';
import type { Agent, LiveFix } from './types.ts';

/** How long packets and ticks are held that nothing is known of yet, and how many. */
const HOLD = 2_000;
const HELD_PACKETS = 64;
const HELD_TICKS = 2_048;
/** The server repeats a value that no newer one followed after a second: how much older than others it is then, in ms. */
const REPEAT = { least: 900, most: 2_000 };
/** Packets that a packet of repetitions stands for at most. */
const SAMPLE = 10;

export interface Change {
  readonly changed: readonly Agent[];
  readonly removed: readonly string[];
  /** Everything is new: `changed` holds all agents. */
  readonly reset: boolean;
}

export interface FeedEvents {
  change: [change: Change];
  /** The server has refused the subscription for good: nothing is shown any more. */
  error: [error: FanfareError];
}

/** What an alias stands for. */
interface Alias {
  readonly agentId: string;
  /** Least age that a value of the agent was packed at, by two clocks. */
  age: number;
}

export class Feed {
  agents: ReadonlyMap<string, Agent> = new Map();
  state: 'waiting' | 'live' = 'waiting';
  /** Why there are no positions to be had. */
  error?: FanfareError | undefined;
  version = 0;
  packets = 0;
  drops = 0;
  readonly events = new Emitter<FeedEvents>();
  readonly #clock: Clock;
  /** The server's time. */
  readonly #time: () => number;
  #view?: Pick<Subscription, 'view' | 'epoch'> | undefined;
  #aliases = new Map<number, Alias>();
  /** The agents as they are, and those of a snapshot that is not complete yet: until then the old ones are shown. */
  #shown = new Map<string, Agent>();
  #coming?: Map<string, Agent> | undefined;
  #packets: { readonly packet: Ticks; readonly at: number }[] = [];
  #ticks = new Map<number, { readonly fix: LiveFix; readonly at: number }>();
  #lost = 0;
  /** Packets since the last one of repetitions. */
  #since = 0;

  constructor(clock: Clock, time: () => number = () => clock.now()) {
    this.#clock = clock;
    this.#time = time;
  }

  /** Estimate of packets that got lost. */
  get lost(): number {
    return Math.round(this.#lost);
  }

  /** The answer to `subscribe`: everything starts anew. */
  granted({ view, epoch }: Subscription): void {
    this.error = undefined;
    this.#view = { view, epoch };
    this.#begin();
    this.#replay();
  }

  /** Nothing comes any more. What is shown stays until there is something to show in its place. */
  interrupted(): void {
    this.#view = undefined;
    this.#coming = undefined;
    this.#aliases.clear();
    this.#ticks.clear();
    this.#packets = [];
    if (this.state === 'waiting') return;
    this.state = 'waiting';
    this.#tell([], []);
  }

  /** Whether this is the view that is shown. */
  follows(view: number): boolean {
    return this.#view?.view === view;
  }

  /** Nobody looks any more, or nobody may. */
  clear(error?: FanfareError): void {
    this.interrupted();
    this.error = error;
    this.#shown = new Map();
    this.agents = this.#shown;
    this.#tell([], [], true);
    if (error) this.events.emit('error', error);
  }

  snapshot({ view, epoch, agents, more }: LocationSnapshot): void {
    if (view !== this.#view?.view) return;
    if (epoch !== this.#view.epoch || !this.#coming) {
      this.#view = { view, epoch };
      this.#begin();
    }
    this.#define(agents);
    if (!more && this.#coming) {
      this.agents = this.#shown = this.#coming;
      this.#coming = undefined;
      this.state = 'live';
      this.#tell([...this.#shown.values()], [], true);
    }
    this.#replay();
  }

  joined({ view, epoch, agents }: LocationAgents): void {
    if (!this.#current(view, epoch)) return;
    this.#publish(this.#define(agents));
  }

  removed({ view, epoch, aliases }: LocationRemoved): void {
    if (!this.#current(view, epoch)) return;
    const removed: string[] = [];
    for (const alias of aliases) {
      const known = this.#aliases.get(alias);
      this.#aliases.delete(alias);
      this.#ticks.delete(alias);
      if (known && this.#table.delete(known.agentId)) removed.push(known.agentId);
    }
    if (!this.#coming && removed.length > 0) this.#tell([], removed);
  }

  /** A packet, from a transport that may lose some, or not. */
  packet(bytes: Uint8Array, lossy: boolean): void {
    this.packets += 1;
    let packet: Ticks;
    try {
      packet = unpackTicks(bytes);
    } catch {
      this.drops += 1;
      return;
    }
    if (this.#current(packet.view, packet.epoch)) this.#apply(packet, lossy);
    else this.#hold(packet);
  }

  get #table(): Map<string, Agent> {
    return this.#coming ?? this.#shown;
  }

  #current(view: number, epoch: number): boolean {
    return view === this.#view?.view && epoch === this.#view.epoch;
  }

  #begin(): void {
    this.#aliases.clear();
    this.#ticks.clear();
    this.#coming = new Map();
  }

  #define(agents: readonly AliasedAgent[]): Agent[] {
    const now = this.#clock.monotonic();
    const receivedAt = this.#time();
    const changed: Agent[] = [];
    for (const { alias, agent_id: agentId, fix: told } of agents) {
      this.#aliases.set(alias, { agentId, age: Infinity });
      const held = this.#ticks.get(alias);
      this.#ticks.delete(alias);
      let fix: LiveFix | undefined;
      if (told) {
        const { counter: _, ...rest } = told;
        fix = rest;
      }
      if (held && now - held.at <= HOLD && held.fix.time > (fix?.time ?? -1)) fix = held.fix;
      const shown = this.#table.get(agentId);
      if (shown?.fix && shown.fix.time >= (fix?.time ?? 0)) continue;
      changed.push(this.#put({ agentId, ...(fix && { fix }), receivedAt }));
    }
    return changed;
  }

  #apply(packet: Ticks, lossy: boolean): void {
    if (lossy) this.#count(packet);
    const { ticks } = packet;
    const now = this.#clock.monotonic();
    const receivedAt = this.#time();
    const changed: Agent[] = [];
    for (const { alias, fix } of ticks) {
      const known = this.#aliases.get(alias);
      if (!known) {
        this.#holdTick(alias, fix, now);
        continue;
      }
      const before = this.#table.get(known.agentId)?.fix?.time ?? -1;
      if (fix.time > before) changed.push(this.#put({ agentId: known.agentId, fix, receivedAt }));
    }
    this.#publish(changed);
  }

  /**
   * Repetitions that bring what we had, and those that bring news: their first sending was lost. They are packed by
   * themselves, and told apart by the server's clock alone, as a busy page reads everything late.
   */
  #count({ base, ticks }: Ticks): void {
    this.#since += 1;
    if (ticks[0]?.fix.time === base) return;
    let [known, news] = [0, 0];
    for (const { alias, fix } of ticks) {
      const agent = this.#aliases.get(alias);
      if (!agent) continue;
      const age = base - fix.time;
      const late = age - agent.age;
      agent.age = Math.min(agent.age, age);
      // Nothing to compare with, or a value that was late already when it was sent.
      if (late === -Infinity || late > REPEAT.most) continue;
      if (late < REPEAT.least) return;
      const before = this.#table.get(agent.agentId)?.fix?.time ?? -1;
      if (fix.time === before) known += 1;
      else if (fix.time > before) news += 1;
    }
    if (known + news === 0) return;
    this.#lost += (Math.min(this.#since, SAMPLE) * news) / (known + news);
    this.#since = 0;
  }

  #put(agent: Agent): Agent {
    this.#table.set(agent.agentId, agent);
    return agent;
  }

  #hold(packet: Ticks): void {
    const now = this.#clock.monotonic();
    this.#packets = this.#packets.filter(({ at }) => now - at <= HOLD);
    this.#packets.push({ packet, at: now });
    if (this.#packets.length <= HELD_PACKETS) return;
    this.#packets.shift();
    this.drops += 1;
  }

  #holdTick(alias: number, fix: LiveFix, now: number): void {
    const held = this.#ticks.get(alias);
    if (held && held.fix.time >= fix.time) return;
    if (!held && this.#ticks.size >= HELD_TICKS) {
      for (const [old, { at }] of this.#ticks) if (now - at > HOLD) this.#ticks.delete(old);
      if (this.#ticks.size >= HELD_TICKS) {
        this.drops += 1;
        return;
      }
    }
    this.#ticks.set(alias, { fix, at: now });
  }

  /** What was held may be readable now. */
  #replay(): void {
    const now = this.#clock.monotonic();
    const held = this.#packets;
    this.#packets = [];
    for (const { packet, at } of held) {
      if (now - at > HOLD) continue;
      if (this.#current(packet.view, packet.epoch)) this.#apply(packet, false);
      else this.#packets.push({ packet, at });
    }
  }

  #publish(changed: Agent[]): void {
    if (!this.#coming && changed.length > 0) this.#tell(changed, []);
  }

  #tell(changed: readonly Agent[], removed: readonly string[], reset = false): void {
    this.version += 1;
    this.events.emit('change', { changed, removed, reset });
  }
}
