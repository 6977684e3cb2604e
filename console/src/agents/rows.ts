// Which agents the list shows, and in what order.
import type { Agent } from 'fanfare-client';
import { ageOf } from '../fleet/age';
import { known } from '../lib/format';
import { named } from '../lib/plain';
import { folded } from '../lib/search';

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
      return known(agent.fix?.[column]);
  }
}

/** What the list needs of an agent's name: dear to find out, and the same as long as the same agents are there. */
export interface Label {
  /** The place in the order of names. */
  rank: number;
  /** What is searched: the name as people read it, and the id, where that is another. */
  text: string;
}

export function labels(ids: Iterable<string>): Map<string, Label> {
  const all = [...ids].map((id) => ({ id, name: named(id) }));
  all.sort((a, b) => collator.compare(a.name, b.name) || (a.id < b.id ? -1 : 1));
  return new Map(all.map(({ id, name }, rank) => [id, { rank, text: folded(name === id ? id : `${name}\n${id}`) }]));
}

interface Row {
  agent: Agent;
  rank: number;
  value: number | undefined;
}

export function rows(
  agents: Iterable<Agent>, search: string, { column, descending }: Order, now: number, label: ReadonlyMap<string, Label>,
): Agent[] {
  const words = folded(search).split(/\s+/).filter(Boolean);
  const found: Row[] = [];
  for (const agent of agents) {
    const { rank, text } = label.get(agent.agentId) ?? { rank: Infinity, text: '' };
    if (words.every((word) => text.includes(word))) found.push({ agent, rank, value: value(agent, column, now) });
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

const OPTIONAL = ['speed', 'accuracy', 'battery'] as const;

/** The columns that say something: one that is empty for every agent only takes room from names. */
export function filled(agents: Iterable<Agent>): readonly Column[] {
  const missing = new Set<(typeof OPTIONAL)[number]>(OPTIONAL);
  for (const { fix } of agents) {
    for (const column of missing) if (known(fix?.[column]) !== undefined) missing.delete(column);
    if (missing.size === 0) break;
  }
  return ['name', ...OPTIONAL.filter((column) => !missing.has(column)), 'age'];
}
