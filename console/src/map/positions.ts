// From what the fleet says to what the map shows: markers, and the paths behind them.
import type { Change, Fleet } from '../fleet/fleet';
import { placed } from '../fleet/place';
import type { Columns, Fix } from './markers/columns';

interface Paths {
  add(id: string, fix: Fix, now: number): void;
  forget(id: string): void;
}

type Agent = Change['changed'][number];

export class Positions {
  constructor(private fleet: Pick<Fleet, 'agents'>, private columns: Columns, private paths: Paths) {}

  /** `now` is in seconds. */
  take({ changed, removed, reset }: Change, now: number): void {
    // With a new view or epoch those that are still there drive on from where they are shown.
    if (reset) for (const id of [...this.columns.ids]) if (!this.fleet.agents.has(id)) this.#remove(id);
    for (const agent of changed) this.set(agent, now);
    for (const id of removed) this.#remove(id);
  }

  set({ agentId, fix }: Agent, now: number): void {
    if (!fix || !placed(fix)) return this.#remove(agentId);
    this.columns.set(agentId, fix, now);
    this.paths.add(agentId, fix, now);
  }

  #remove(id: string): void {
    this.columns.remove(id);
    this.paths.forget(id);
  }
}
