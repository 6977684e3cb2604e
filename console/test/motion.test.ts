import { describe, expect, test } from 'vitest';
import { mercator } from '../src/lib/geo';
import { Columns, NO_HEADING, STRIDE } from '../src/map/markers/columns';
import { duration, interval, LONGEST, progress, SHORTEST, turn } from '../src/map/markers/motion';

const fix = (lat: number, lon: number, more = {}) => ({ time: 1_790_000_000_000, lat, lon, ...more });

describe('motion', () => {
  test('progress is bounded, and whole where nothing moves', () => {
    expect(progress(10, 2, 9)).toBe(0);
    expect(progress(10, 2, 11)).toBe(0.5);
    expect(progress(10, 2, 99)).toBe(1);
    expect(progress(10, 0, 10)).toBe(1);
  });

  test('the interval follows what is usual, and a pause is no rule', () => {
    expect(interval(0, 1)).toBe(1);
    expect(interval(1, 1)).toBeCloseTo(1);
    expect(interval(1, 3600)).toBeCloseTo(0.7 + 0.3 * LONGEST);
    expect(duration(0.001)).toBe(SHORTEST);
    expect(duration(1)).toBeGreaterThan(1);
  });

  test('turns go the shorter way', () => {
    const deg = (d: number) => (d * Math.PI) / 180;
    expect(turn(deg(350), deg(10))).toBeCloseTo(deg(20));
    expect(turn(deg(10), deg(350))).toBeCloseTo(deg(-20));
    expect(turn(deg(90), deg(90))).toBeCloseTo(0);
  });
});

describe('columns', () => {
  test('a marker drives from where it is shown to its newest fix', () => {
    const columns = new Columns();
    columns.set('a', fix(31, 120), 0);
    columns.set('a', fix(31.001, 120.001), 1);
    const from = mercator(31, 120);
    const to = mercator(31.001, 120.001);
    expect(columns.at('a', 1)!.x).toBeCloseTo(from.x, 12);
    // Half way through the movement another fix comes: no jump.
    const half = columns.at('a', 1 + duration(1) / 2)!;
    expect(half.x).toBeCloseTo((from.x + to.x) / 2, 10);
    columns.set('a', fix(31.002, 120.002), 1 + duration(1) / 2);
    expect(columns.at('a', 1 + duration(1) / 2)!.x).toBeCloseTo(half.x, 12);
    expect(columns.at('a', 60)!.x).toBeCloseTo(mercator(31.002, 120.002).x, 12);
    expect(columns.at('nobody', 0)).toBeUndefined();
  });

  test('a device whose clock was set back goes on moving', () => {
    const columns = new Columns();
    columns.set('a', fix(31, 120), 0);
    columns.set('a', fix(31.001, 120, { time: 1_790_000_000_000 - 50_000 }), 1);
    expect(columns.at('a', 60)!.y).toBeCloseTo(mercator(31.001, 120).y, 12);
    expect(columns.floats[8]).toBe(-50);
  });

  test('far moves are jumps, and so is all where movement is not wanted', () => {
    const columns = new Columns();
    columns.set('a', fix(0, 0), 0);
    columns.set('a', fix(40, 40), 1);
    expect(columns.at('a', 1)).toEqual(mercator(40, 40));
    const still = new Columns(false);
    still.set('a', fix(0, 0), 0);
    still.set('a', fix(0.001, 0), 1);
    expect(still.at('a', 1)).toEqual(mercator(0.001, 0));
    expect(still.busyUntil).toBe(1);
  });

  test('over the date line the way is short', () => {
    const columns = new Columns();
    columns.set('a', fix(0, 179.9), 0);
    columns.set('a', fix(0, -179.9), 1);
    const half = columns.at('a', 1 + duration(1) / 2)!;
    expect(Math.abs(half.x % 1)).toBeLessThan(0.001);
  });

  test('removing keeps all others whole, and growing too', () => {
    const columns = new Columns();
    for (let i = 0; i < 500; i++) columns.set(`a${i}`, fix(i / 100, i / 100), 0);
    for (let i = 0; i < 500; i += 2) columns.remove(`a${i}`);
    columns.remove('never there');
    expect(columns.size).toBe(250);
    for (let i = 1; i < 500; i += 2) {
      expect(columns.at(`a${i}`, 9)).toEqual(mercator(i / 100, i / 100));
      const row = columns.row(`a${i}`)!;
      expect(columns.floats[row * STRIDE + 2]).toBeCloseTo(mercator(i / 100, i / 100).x - 0.5, 6);
    }
  });

  test('finds the nearest within reach', () => {
    const columns = new Columns();
    columns.set('a', fix(31, 120), 0);
    columns.set('b', fix(31, 120.01), 0);
    const at = mercator(31, 120.008);
    expect(columns.nearest(at, 1e-4, 1)).toBe('b');
    expect(columns.nearest(at, 1e-7, 1)).toBeUndefined();
  });

  test('who stands has no heading; who drives turns the shorter way', () => {
    const columns = new Columns();
    columns.set('a', fix(31, 120, { heading: 350, speed: 5 }), 0);
    columns.set('a', fix(31.0001, 120, { heading: 10, speed: 5 }), 1);
    const row = columns.row('a')! * STRIDE;
    expect(columns.floats[row + 7]! - columns.floats[row + 6]!).toBeCloseTo((20 * Math.PI) / 180, 5);
    columns.set('a', fix(31.0001, 120, { heading: 10, speed: 0.1 }), 2);
    expect(columns.floats[row + 7]).toBe(NO_HEADING);
    expect(columns.floats[row + 9]).toBe(0);
  });

  test('another origin changes numbers, not places', () => {
    const columns = new Columns();
    columns.set('a', fix(31, 120), 0);
    const before = columns.at('a', 1);
    columns.rebase(mercator(31, 120));
    expect(columns.at('a', 1)).toEqual(before);
    expect(columns.floats[2]).toBeCloseTo(0, 12);
  });
});
