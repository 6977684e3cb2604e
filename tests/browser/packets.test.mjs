// The page's packets against the protocol's vectors.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { packFixes, unpackTicks } from './page/packets.js';

const vectors = JSON.parse(readFileSync(new URL('../../proto/vectors/ticks.json', import.meta.url)));
const bytes = (hex) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const known = (object) => JSON.parse(JSON.stringify(object));

test('fixes are written as the vectors say', () => {
  for (const vector of vectors.fixes) assert.deepEqual(packFixes(vector.fixes), bytes(vector.hex), vector.name);
});

test('ticks are read as the vectors say', () => {
  for (const { name, hex, view, epoch, base, ticks } of vectors.ticks) {
    assert.deepEqual(known(unpackTicks(bytes(hex))), { view, epoch, base, ticks }, name);
  }
});

test('bad packets are refused', () => {
  for (const { name, hex } of vectors.bad_ticks) assert.throws(() => unpackTicks(bytes(hex)), RangeError, name);
});
