// Which agents the list shows, and in what order.
import type { Agent } from 'fanfare-client';
import { ageOf } from '../fleet/age';

export type Column = 'name' | 'speed' | 'accuracy' | 'battery' | 'age';

export interface Order {
  column: Column;
  descending: boolean;
}

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** Undefined: not known, which comes last in either direction. */
function value(agent: Agent, column: Column, now: number): number | undefined {
  switch (column) {
    case 'name':
      return undefined;
    case 'age':
      return ageOf(agent, now);
    default:
      return agent.fix?.[column] ?? undefined;
  }
}

/** The place of each name in the order of names: dear to find out, and the same as long as the same agents are there. */
export function ranks(names: Iterable<string>): Map<string, number> {
  return new Map([...names].sort(collator.compare).map((name, rank) => [name, rank]));
}

interface Row {
  agent: Agent;
  rank: number;
  value: number | undefined;
}

export function rows(
  agents: Iterable<Agent>, search: string, { column, descending }: Order, now: number, rank: ReadonlyMap<string, number>,
): Agent[] {
  const words = search.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const found: Row[] = [];
  for (const agent of agents) {
    if (words.length > 0) {
      const name = agent.agentId.toLocaleLowerCase();
      if (!words.every((word) => name.includes(word))) continue;
    }
    found.push({ agent, rank: rank.get(agent.agentId) ?? Infinity, value: value(agent, column, now) });
  }
  const sign = descending ? -1 : 1;
  const byName = (a: Row, b: Row) => a.rank - b.rank;
  found.sort(column === 'name' ? (a, b) => sign * byName(a, b) : (a, b) => {
    if (a.value === b.value) return byName(a, b);
    if (a.value === undefined) return 1;
    if (b.value === undefined) return -1;
    return sign * (a.value - b.value);
  });
  return found.map(({ agent }) => agent);
}

/** How a column is sorted when it is chosen first: what one looks for is on top. */
export const FIRST: Record<Column, boolean> = { name: false, speed: true, accuracy: true, battery: false, age: true };
