import { describe, expect, test } from 'vitest';
import { placed } from '../src/chat/groups';
import { nameOf } from '../src/chat/naming';
import { emojiOnly, mentioning, parts } from '../src/chat/text';
import { path } from '../src/connection/Sparkline';
import { distance, latitude, longitude, mercator } from '../src/lib/geo';
import { filtered, kindOf } from '../src/log/filter';
import { graticule, step } from '../src/map/graticule';
import { within } from '../src/map/labels';
import { Ring } from '../src/map/ring';
import { href, parse, start } from '../src/router';
import { claims, clean } from '../src/session/token';
import { drawn, merge, summary } from '../src/trail/track';

describe('addresses', () => {
  test.each(['#/map', '#/agents', '#/agents/a%2Fb%20c', '#/chat', '#/chat/c1', '#/log', '#/connection'])('%s comes back as it was', (hash) => {
    expect(href(parse(hash))).toBe(hash);
  });

  test('one starts at what one may see', () => {
    expect(start({ map: true, chat: true })).toBe('map');
    expect(start({ map: false, chat: true })).toBe('chat');
    expect(start({ map: false, chat: false })).toBe('connection');
  });

  test('what is unknown or broken is the map', () => {
    expect(parse('#/nothing')).toEqual({ view: 'map' });
    expect([parse(''), parse('#'), parse('#/')]).toEqual([{ view: 'start' }, { view: 'start' }, { view: 'start' }]);
    expect(parse('#/nowhere')).toEqual({ view: 'map' });
    expect(parse('#/chat/%E0%A4%A')).toEqual({ view: 'chat' });
  });
});

describe('tokens', () => {
  const body = btoa(JSON.stringify({ sub: 'dana', org: 'acme', departments: ['north', 7], exp: 1_790_000_000 }));
  test('what is pasted is cleaned', () => {
    expect(clean(' Bearer abc.def.ghi\n')).toBe('abc.def.ghi');
    expect(clean('http://localhost:4433/#token=abc.def.ghi')).toBe('abc.def.ghi');
    expect(clean('abc.\n def.ghi')).toBe('abc.def.ghi');
  });

  test('claims are read, and what is none is told', () => {
    expect(claims(`x.${body}.y`)).toEqual({ user: 'dana', organization: 'acme', departments: ['north'], expires: 1_790_000_000_000 });
    for (const bad of ['', 'abc', 'a.b.c', `x.${btoa('null')}.y`]) expect(claims(bad)).toBeUndefined();
  });
});

describe('chat', () => {
  const item = (key: string, by: string, minutes: number) => ({ key, by, at: new Date(2026, 1, 1, 12, minutes).getTime() });

  test('what one writes in one go stands together', () => {
    const found = placed([item('1', 'a', 0), item('2', 'a', 2), item('3', 'b', 3), item('4', 'b', 30), item('5', 'b', 60 * 24)]);
    expect(found.map(({ day, first, last }) => [day, first, last].map(Number).join(''))).toEqual(['110', '001', '011', '011', '111']);
  });

  test('texts come apart into links and mentions of members, and together again', () => {
    const text = '@bob see https://example.com/a?b=1. mail me@bob or @carol, (@bob)';
    const found = parts(text, new Set(['bob']));
    expect(found.map((p) => p.text).join('')).toBe(text);
    expect(found.filter((p) => p.kind === 'link').map((p) => p.href)).toEqual(['https://example.com/a?b=1']);
    expect(found.filter((p) => p.kind === 'mention')).toHaveLength(2);
    expect(parts('<img src=x onerror=alert(1)>', new Set())).toEqual([{ kind: 'text', text: '<img src=x onerror=alert(1)>' }]);
  });

  test('mentions are completed at the cursor', () => {
    expect(mentioning('hi @bo', 6)).toBe('bo');
    expect(mentioning('hi @bo there', 12)).toBeUndefined();
    expect(mentioning('a@bo', 4)).toBeUndefined();
    expect(mentioning('@', 1)).toBe('');
  });

  test('emoji', () => {
    expect(emojiOnly('🚕 🚕')).toBe(true);
    expect(emojiOnly('ok 🚕')).toBe(false);
    expect(emojiOnly('123')).toBe(false);
  });

  test('names', () => {
    expect(nameOf({ kind: 'private', members: ['ann', 'bob'] }, 'ann')).toBe('bob');
    expect(nameOf({ kind: 'group', members: ['a', 'b', 'c', 'd', 'e'] }, 'a')).toBe('b, c and 2 more');
    expect(nameOf({ kind: 'group', title: 'Night', members: [] }, 'a')).toBe('Night');
  });
});

describe('tracks', () => {
  const at = (minute: number, speed?: number) => ({ time: minute * 60_000, lat: 50 + minute / 1000, lon: 8, speed });

  test('pages and live fixes come together in order, each time once', () => {
    expect(merge([at(1)], [at(2), at(3)]).map((f) => f.time / 60_000)).toEqual([1, 2, 3]);
    expect(merge([at(1), at(3)], [at(2), at(3, 7)]).map((f) => f.time / 60_000)).toEqual([1, 2, 3]);
  });

  test('sums leave out what nobody knows', () => {
    const sums = summary([at(0, 1), at(1, 9), at(60)])!;
    expect(sums.metres).toBeCloseTo(distance(at(0), at(1)));
    expect(sums.fastest).toBe(9);
    expect(summary([])).toBeUndefined();
  });

  test('a stored fix takes the place of the live one of its time; two stored ones of a time are two', () => {
    const live = at(2);
    const stored = { ...at(2), counter: 9, speed: 3 };
    expect(merge([at(1), live, at(3)], [stored])).toEqual([at(1), stored, at(3)]);
    expect(merge([at(1), stored, at(3)], [live])).toEqual([at(1), stored, at(3)]);
    expect(merge([stored], [{ ...stored, counter: 10 }, stored]).map(({ counter }) => counter)).toEqual([9, 10]);
  });

  test('0, 0 of a device that knows no place is no part of the way', () => {
    const nowhere = { time: 90_000, lat: 0, lon: 0 };
    const sums = summary([at(1), nowhere, at(2)])!;
    expect(sums).toMatchObject({ points: 2, unplaced: 1 });
    expect(sums.metres).toBeCloseTo(distance(at(1), at(2)));
    expect(JSON.stringify(drawn([at(1), nowhere, at(2)]))).not.toContain('[0,0]');
    expect(summary([nowhere])).toBeUndefined();
  });

  test('unknown speeds are no speed of 0', () => {
    const { features } = drawn([at(0), at(1), at(2, -1), at(3, 10)]);
    const lines = features.filter((f) => f.geometry.type === 'LineString');
    expect(lines.map((f) => f.properties)).toEqual([{}, { kmh: 35 }]);
    expect(summary([at(0, -1), at(1, Number.NaN)])!.fastest).toBeUndefined();
  });

  test('a track that is played faster is said to be', () => {
    const taxi = (times: number) => Array.from({ length: 60 }, (_, i) => ({ time: i * 1000, lat: 50 + (i * 10 * times) / 111_195, lon: 8, speed: 10 }));
    expect(summary(taxi(150))!.pace).toBe(150);
    expect(summary(taxi(1.3))!.pace).toBeUndefined();
    // A jitter of metres where an agent stands is none.
    expect(summary(taxi(1).map((fix, i) => ({ ...fix, lat: 50 + (i % 2) / 1e4, speed: 0 })))!.pace).toBeUndefined();
  });

  test('lines are whole within a speed and broken at a pause', () => {
    const { features } = drawn([at(0, 10), at(1, 10), at(2, 20), at(60, 20), at(61, 20)]);
    const lines = features.filter((f) => f.geometry.type === 'LineString');
    expect(lines.map((f) => (f.geometry as { coordinates: unknown[] }).coordinates.length)).toEqual([2, 2, 2]);
    expect(features.at(-1)!.geometry.type).toBe('Point');
  });
});

test('the ring keeps the newest', () => {
  const ring = new Ring(4);
  for (let i = 0; i < 6; i++) ring.add(i, 0, 0, 0, i);
  const seen: number[] = [];
  ring.each(0, ring.added, (x) => seen.push(x));
  expect(seen).toEqual([2, 3, 4, 5]);
  expect(ring.until(3.5)).toBe(4);
  expect(ring.until(-1)).toBe(2);
  expect(ring.until(99)).toBe(6);
});

test('mercator there and back', () => {
  const { x, y } = mercator(-33.8688, 151.2093);
  expect(latitude(y)).toBeCloseTo(-33.8688, 9);
  expect(longitude(x)).toBeCloseTo(151.2093, 9);
  expect(distance({ lat: 52.52, lon: 13.405 }, { lat: 48.8566, lon: 2.3522 }) / 1000).toBeCloseTo(877.5, 0);
});

test('the grid is as fine as the view needs', () => {
  expect(step({ west: -180, east: 180, south: -80, north: 80 })).toBe(30);
  expect(step({ west: 120, east: 120.06, south: 31, north: 31.05 })).toBeLessThan(0.021);
  const lines = graticule({ west: 119, east: 121, south: 30, north: 32 }).features.length;
  expect(lines).toBeGreaterThan(10);
  expect(lines).toBeLessThan(60);
});

test('the log is filtered by kind and words, newest first', () => {
  const entry = (id: number, name: string, about: string) => ({ id, at: id, name, about, data: {} });
  const entries = [entry(1, 'message:new', 'ann: hello'), entry(2, 'location:agents', '3 agents came'), entry(3, 'message:new', 'bob: Hello ann')];
  expect(filtered(entries, 'all', '').map((e) => e.id)).toEqual([3, 2, 1]);
  expect(filtered(entries, 'chat', 'hello bob').map((e) => e.id)).toEqual([3]);
  expect(kindOf('client:open')).toBe('client');
});

test('a line has gaps where nothing is known', () => {
  expect(path([1, 2, undefined, 3]).match(/M/g)).toHaveLength(2);
  expect(path([])).toBe('');
});

test('a label is read whole at the edges of the map; a marker out of sight takes its label along', () => {
  expect([0, 10, 200, 390, 400].map((x) => within(x, 30, 400))).toEqual([30, 30, 200, 370, 370]);
  expect([-5, 405].map((x) => within(x, 30, 400))).toEqual([-5, 405]);
});
