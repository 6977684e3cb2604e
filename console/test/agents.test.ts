import type { Agent } from 'fanfare-client';
import { describe, expect, test } from 'vitest';
import { filled, labels, rows, type Order } from '../src/agents/rows';
import { freshness } from '../src/fleet/age';
import { placed } from '../src/fleet/place';
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
  rows(agents, search, { column, descending }, NOW, labels(agents.map((a) => a.agentId))).map((a) => a.agentId);

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

describe('names in any script', () => {
  const ids = ['TAXI-1', 'taxi İzmir', '~~Zo=C3=AB=207', '~~=E5=BC=A0=E4=B8=89', '~~=D0=9E=D0=BB=D1=8C=D0=B3=D0=B0'];
  const find = (search: string) =>
    rows(ids.map((id) => agent(id)), search, { column: 'name', descending: false }, NOW, labels(ids)).map((a) => a.agentId);

  test('search sees names as people write them, without case, accents, or the browser\'s language', () => {
    expect(find('taxi')).toEqual(['taxi İzmir', 'TAXI-1']);
    for (const izmir of ['izmir', 'IZMIR', 'İZMİR', 'ızmır']) expect(find(izmir)).toEqual(['taxi İzmir']);
    expect(find('zoe 7')).toEqual(['~~Zo=C3=AB=207']);
    expect(find('张三')).toEqual(['~~=E5=BC=A0=E4=B8=89']);
    expect(find('ольга')).toEqual(['~~=D0=9E=D0=BB=D1=8C=D0=B3=D0=B0']);
  });

  test('the id is found, too, and the order is that of the names', () => {
    expect(find('~~zo=c3')).toEqual(['~~Zo=C3=AB=207']);
    expect(labels(['~~Zo=C3=AB=207', 'Zoa', 'Zoz']).get('~~Zo=C3=AB=207')!.rank).toBe(1);
  });
});

describe('what is not known', () => {
  test('a column that is empty for all agents is left out', () => {
    expect(filled(agents)).toEqual(['name', 'speed', 'battery', 'age']);
    expect(filled([agent('a', { speed: -1, battery: Number.NaN, accuracy: 0 })])).toEqual(['name', 'accuracy', 'age']);
    expect(filled([])).toEqual(['name', 'age']);
  });

  test('-1 and NaN are sorted as what is absent', () => {
    const odd = [agent('a', { speed: -1 }), agent('b', { speed: Number.NaN }), agent('c', { speed: 0 })];
    const sorted = rows(odd, '', { column: 'speed', descending: false }, NOW, labels(['a', 'b', 'c'])).map((a) => a.agentId);
    expect(sorted).toEqual(['c', 'a', 'b']);
  });

  test('0, 0 is a place if it has an accuracy', () => {
    expect(placed({ lat: 0, lon: 0 })).toBe(false);
    expect(placed({ lat: -0, lon: 0 })).toBe(false);
    expect(placed({ lat: 0, lon: 0, accuracy: 4 })).toBe(true);
    expect(placed({ lat: 0, lon: 0.00001 })).toBe(true);
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

  test('a group lies across 180 degrees', () => {
    const found = group(each([[0.999, 0.5], [0.998, 0.5], [0.001, 0.5], [1, 0.5]]), 0.1, 2);
    expect(found.map(({ count }) => count)).toEqual([4]);
    expect(Math.abs(found[0]!.x - Math.round(found[0]!.x))).toBeLessThan(0.001);
  });

  test('groups that would lie on each other are one', () => {
    const found = group(each([[0.099, 0.05], [0.098, 0.05], [0.101, 0.05], [0.102, 0.05], [0.72, 0.72], [0.73, 0.73]]), 0.1, 2);
    expect(found.map(({ count }) => count)).toEqual([4, 2]);
  });
});
