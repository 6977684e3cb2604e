import { describe, expect, test } from 'vitest';
import * as format from '../src/lib/format';

describe('format', () => {
  test.each([[0, 'now'], [1999, 'now'], [12_000, '12 s'], [61_000, '1 min'], [3_600_000 * 5, '5 h'], [3_600_000 * 72, '3 d'], [-5, 'now']])('age of %d ms', (ms, text) => {
    expect(format.age(ms)).toBe(text);
  });

  test('what is not known is not 0', () => {
    expect(format.speed(undefined)).toBe(format.ABSENT);
    expect(format.speed(0)).toBe('0 km/h');
    expect(format.percent(undefined)).toBe(format.ABSENT);
    expect(format.metres(undefined)).toBe(format.ABSENT);
    expect(format.heading(undefined)).toBe(format.ABSENT);
    for (const odd of [null, -1, Number.NaN, Infinity] as number[]) {
      for (const words of [format.speed, format.percent, format.metres, format.heading]) expect(words(odd), `${words.name} ${odd}`).toBe(format.ABSENT);
    }
  });

  test('units', () => {
    expect(format.speed(10)).toBe('36 km/h');
    expect(format.metres(4.8)).toBe('5 m');
    expect(format.metres(1234)).toBe('1.2 km');
    expect(format.metres(54_321)).toBe('54 km');
    expect(format.heading(270.5)).toBe('W 271°');
    expect(format.heading(359.8)).toBe('N 0°');
    expect(format.coordinates(-33.8688, -151.2093)).toBe('33.86880° S, 151.20930° W');
    expect(format.span(200_000)).toBe('3 min 20 s');
    expect(format.span(7_500_000)).toBe('2 h 5 min');
    expect(format.count(12345)).toBe('12 345');
  });

  test('days are told from today', () => {
    const now = new Date(2026, 10, 21, 12).getTime();
    expect(format.day(now, now)).toBe('Today');
    expect(format.day(now - 86_400_000, now)).toBe('Yesterday');
    expect(format.day(now - 5 * 86_400_000, now)).not.toMatch(/day$/i);
  });

  test.each([['dana', 'DA'], ['Night shift', 'NS'], ['auth0|9', 'A9'], ['', '?'], ['张伟', '张伟'], ['élan vital', 'ÉV']])('initials of %s', (name, letters) => {
    expect(format.initials(name)).toBe(letters);
  });
});
