import type { Agent } from 'fanfare-client';
import { expect, test } from 'vitest';
import { Columns } from '../src/map/markers/columns';
import { Positions } from '../src/map/positions';
import { mercator } from '../src/lib/geo';

function world() {
  const agents = new Map<string, Agent>();
  const columns = new Columns();
  const paths = new Set<string>();
  const positions = new Positions({ agents }, columns, { add: (id) => paths.add(id), forget: (id) => paths.delete(id) });
  const put = (agentId: string, lat: number, lon: number, more = {}) => {
    const agent = { agentId, receivedAt: 0, fix: { time: 1_790_000_000_000, lat, lon, ...more } } as Agent;
    agents.set(agentId, agent);
    return agent;
  };
  return { agents, columns, paths, positions, put };
}

test('with a new epoch those that are still there drive on, and the others are gone', () => {
  const { agents, columns, paths, positions, put } = world();
  positions.take({ changed: [put('a', 31, 120), put('b', 32, 120)], removed: [], reset: true }, 0);
  agents.clear();
  positions.take({ changed: [put('a', 31.001, 120), put('c', 33, 120)], removed: [], reset: true }, 1);
  expect([...columns.ids].sort()).toEqual(['a', 'c']);
  expect([...paths].sort()).toEqual(['a', 'c']);
  // From where it was, not by a jump.
  expect(columns.at('a', 1)!.y).toBeCloseTo(mercator(31, 120).y, 12);
  positions.take({ changed: [], removed: ['a'], reset: false }, 2);
  expect(columns.ids).toEqual(['c']);
});

test('an agent that sends 0, 0 is nowhere: its marker and its path are gone, until it has a place again', () => {
  const { columns, paths, positions, put } = world();
  positions.take({ changed: [put('a', 31, 120)], removed: [], reset: true }, 0);
  positions.take({ changed: [put('a', 0, 0)], removed: [], reset: false }, 1);
  expect([columns.size, paths.size]).toEqual([0, 0]);
  positions.take({ changed: [put('a', 0, 0, { accuracy: 5 })], removed: [], reset: false }, 2);
  expect(columns.size).toBe(1);
});
