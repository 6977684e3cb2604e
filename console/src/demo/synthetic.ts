// Agents that exist only here, to measure how many the map can move. They look like a fleet to it, so that it draws them
// as it draws real ones.
import type { Agent } from 'fanfare-client';
import { Emitter } from '../lib/emitter';
import type { Change, Fleet } from '../fleet/fleet';

/** The server sends what changed so often, and each agent moves once a second. */
const FLUSH = 50;
const CENTER = { lat: 31.49, lon: 120.31 };

export class Synthetic implements Fleet {
  readonly agents: Map<string, Agent>;
  readonly state = 'live';
  version = 0;
  #changes = new Emitter<Change>();
  #timer: ReturnType<typeof setInterval>;
  #turn = 0;

  onChange = this.#changes.on;

  constructor(count: number) {
    this.agents = new Map(Array.from({ length: count }, (_, i) => {
      const angle = i * 2.399963;
      const far = 0.16 * Math.sqrt(i / count);
      const agentId = `demo-${String(i + 1).padStart(4, '0')}`;
      const fix = {
        time: Date.now(), lat: CENTER.lat + far * Math.cos(angle), lon: CENTER.lon + far * Math.sin(angle) * 1.17,
        speed: 8 + (i % 7), heading: (i * 47) % 360, accuracy: 3 + (i % 9), battery: 20 + (i % 80),
      };
      return [agentId, { agentId, fix, receivedAt: Date.now() }] as const;
    }));
    this.#timer = setInterval(() => this.#step(), FLUSH);
  }

  #step(): void {
    const slices = 1000 / FLUSH;
    const slice = this.#turn++ % slices;
    const now = Date.now();
    const changed: Agent[] = [];
    let i = 0;
    for (const agent of this.agents.values()) {
      if (i++ % slices === slice) changed.push(drive(agent, now));
    }
    for (const agent of changed) this.agents.set(agent.agentId, agent);
    this.version++;
    this.#changes.emit({ changed, removed: [], reset: false });
  }

  now(): number {
    return Date.now();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function drive(agent: Agent, now: number): Agent {
  const fix = agent.fix!;
  const seconds = (now - fix.time) / 1000;
  const heading = ((fix.heading ?? 0) + seconds * 6) % 360;
  const metres = (fix.speed ?? 0) * seconds;
  const rad = (heading * Math.PI) / 180;
  const lat = fix.lat + (metres * Math.cos(rad)) / 111_320;
  const lon = fix.lon + (metres * Math.sin(rad)) / (111_320 * Math.cos((fix.lat * Math.PI) / 180));
  return { ...agent, fix: { ...fix, time: now, lat, lon, heading }, receivedAt: now };
}
