import type { Agent } from 'fanfare-client';
import { describe, expect, test } from 'vitest';
import { ranks, rows, type Order } from '../src/agents/rows';
import { freshness } from '../src/fleet/age';
import { group } from '../src/map/grid';

const NOW = 1_790_000_000_000;
const agent = (agentId: string, more?: Partial<NonNullable<Agent['fix']>>): Agent =>
  ({ agentId, receivedAt: NOW, ...(more && { fix: { time: NOW, lat: 0, lon: 0, ...more } }) }) as Agent;
const agents = [
  agent('taxi-10', { speed: 3, battery: 50, time: NOW - 5_000 }),
  agent('taxi-2', { speed: 9, time: NOW - 90_000 }),
  agent('Bus 7', { speed: 9, battery: 4, time: NOW - 20_000 }),
  agent('taxi-1'),
];
const order = (column: Order['column'], descending = false, search = '') =>
  rows(agents, search, { column, descending }, NOW, ranks(agents.map((a) => a.agentId))).map((a) => a.agentId);

describe('rows', () => {
  test('names are in the order of people', () => {
    expect(order('name')).toEqual(['Bus 7', 'taxi-1', 'taxi-2', 'taxi-10']);
    expect(order('name', true)).toEqual(['taxi-10', 'taxi-2', 'taxi-1', 'Bus 7']);
  });

  test('what is not known comes last, either way; equals by name', () => {
    expect(order('speed')).toEqual(['taxi-10', 'Bus 7', 'taxi-2', 'taxi-1']);
    expect(order('speed', true)).toEqual(['Bus 7', 'taxi-2', 'taxi-10', 'taxi-1']);
    expect(order('battery')).toEqual(['Bus 7', 'taxi-10', 'taxi-1', 'taxi-2']);
    expect(order('age', true)[0]).toBe('taxi-2');
  });

  test('search takes every word, in any order and case', () => {
    expect(order('name', false, 'TAXI 2')).toEqual(['taxi-2']);
    expect(order('name', false, '7 bus')).toEqual(['Bus 7']);
    expect(order('name', false, 'plane')).toEqual([]);
  });
});

test('freshness', () => {
  expect(agents.map((a) => freshness(a, NOW))).toEqual(['live', 'stale', 'late', 'unknown']);
  expect(freshness(agent('ahead', { time: NOW + 30_000 }), NOW)).toBe('live');
});

describe('groups of markers', () => {
  const each = (points: [number, number][]) => (visit: (id: string, x: number, y: number) => void) => points.forEach(([x, y], i) => visit(String(i), x, y));

  test('few make no group; a group stands in the middle of its members', () => {
    expect(group(each([[0.1, 0.1], [0.12, 0.14]]), 0.1, 3)).toEqual([]);
    const [found] = group(each([[0.11, 0.11], [0.13, 0.15], [0.15, 0.19]]), 0.1, 3);
    expect(found!.count).toBe(3);
    expect(found!.x).toBeCloseTo(0.13);
  });

  test('groups that would lie on each other are one', () => {
    const found = group(each([[0.099, 0.05], [0.098, 0.05], [0.101, 0.05], [0.102, 0.05], [0.72, 0.72], [0.73, 0.73]]), 0.1, 2);
    expect(found.map(({ count }) => count)).toEqual([4, 2]);
  });
});
