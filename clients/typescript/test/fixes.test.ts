// What is not known, in the notations that platforms have, and what cannot be: it costs no other fix.
import { afterEach, expect, test, vi } from 'vitest';
import { fixOf, packFixes, type AnyFix } from '../src/fixes.ts';
import { textBytes } from '../src/index.ts';

afterEach(() => void vi.restoreAllMocks());

const fix = { counter: 1, time: 1_790_000_000_000, lat: 1, lon: 2, accuracy: 5 };
const hex = (...fixes: AnyFix[]) => packFixes(fixes).map((packet) => Buffer.from(packet).toString('hex'));

test.each([[null], [undefined], [NaN], [-1], [Infinity], [-Infinity], ['7']])('%s is an unknown value', (value) => {
  const odd = { ...fix, speed: value, heading: value, battery: value } as AnyFix;
  expect(hex(odd)).toEqual(hex(fix));
  const { accuracy: _, ...bare } = fix;
  expect(hex({ ...odd, accuracy: value } as AnyFix)).toEqual(hex(bare));
});

test.each([[{ heading: 361 }], [{ battery: 101 }], [{ battery: 255 }]])('so is one that cannot be: %j', (odd) => {
  expect(hex({ ...fix, ...odd })).toEqual(hex(fix));
});

test('values at their edges stay', () => {
  expect(hex({ ...fix, heading: 360 })).toEqual(hex({ ...fix, heading: 0 }));
  expect(hex({ ...fix, heading: 0, battery: 0, speed: 0 })).not.toEqual(hex(fix));
  expect(hex({ ...fix, speed: 1e9 })).toEqual(hex({ ...fix, speed: 655.34 }));
});

test('a fix that cannot be sent is left out and named, and the others go', () => {
  const bad = [
    { ...fix, lat: NaN },
    { ...fix, lon: null },
    { ...fix, lat: 90.1 },
    { ...fix, counter: 0 },
    { ...fix, time: -1 },
    { ...fix, time: undefined },
    null,
  ] as unknown as AnyFix[];
  const left: unknown[] = [];
  const packed = packFixes([fix, ...bad, { ...fix, counter: 2 }], (one, why) => left.push([one, why.message]));
  expect(packed).toEqual(packFixes([fix, { ...fix, counter: 2 }]));
  expect(left.map((entry) => (entry as unknown[])[0])).toEqual(bad);
  expect(left[0]).toEqual([bad[0], 'an impossible lat: NaN']);
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  expect(packFixes(bad)).toEqual([]);
  expect(warn.mock.calls).toEqual([['Fanfare: 7 of 7 fixes left out, the first one for an impossible lat: NaN']]);
});

test('a position of the browser, dated by the server\'s clock', () => {
  vi.spyOn(Date, 'now').mockReturnValue(1_000_000);
  const coords = { latitude: 52.25, longitude: 13.5, accuracy: 8, altitude: null, altitudeAccuracy: null, heading: NaN, speed: null };
  // This machine is 20 minutes ahead, and the position is 3 s old.
  expect(fixOf({ timestamp: 997_000, coords }, 7, 500_000)).toEqual({ counter: 7, time: 497_000, lat: 52.25, lon: 13.5, accuracy: 8 });
  expect(fixOf({ timestamp: 1_000_500, coords: { ...coords, heading: 360, speed: 2 } }, 8, 500_000)).toEqual({
    counter: 8, time: 500_000, lat: 52.25, lon: 13.5, accuracy: 8, heading: 0, speed: 2,
  });
});

test('a text is as long as the server says', () => {
  expect(textBytes('Gate 4')).toBe(6);
  expect(textBytes('Zoë \u{1f600}')).toBe(9);
  expect(textBytes('a\n"\\\t\u0001\u007f\u000b')).toBe(1 + 2 + 2 + 2 + 2 + 6 + 1 + 6);
  for (let code = 0; code < 0x250; code += 1) {
    const text = String.fromCharCode(code);
    expect(textBytes(text)).toBe(Buffer.byteLength(JSON.stringify(text)) - 2);
  }
  expect(textBytes('\ud83d')).toBe(3);
});
