import { expect, test } from 'vitest';
import { loadChunk } from '../src/lib/chunk';
import { note, tileSource } from '../src/map/tiles';

test('tiles are those of the configuration; a path is of the page\'s own server', () => {
  const base = 'https://console.example.org/fleet/';
  expect(tileSource({ tiles: null }, base)).toBeNull();
  expect(tileSource({}, base)).toBeNull();
  expect(tileSource({ tiles: { url: '/tiles/{z}/{x}/{y}.png', max_zoom: 19 } }, base))
    .toEqual({ url: 'https://console.example.org/tiles/{z}/{x}/{y}.png', attribution: '', max_zoom: 19 });
  const named = { url: 'https://t.example.org/{z}/{x}/{y}.png', attribution: '<b>© Us & them</b>', attribution_url: 'https://example.org/?a="', max_zoom: 12 };
  expect(tileSource({ tiles: named }, base)!.attribution)
    .toBe('<a href="https://example.org/?a=&quot;" target="_blank" rel="noreferrer">&lt;b&gt;© Us &amp; them&lt;/b&gt;</a>');
});

test('the map says when streets are missing, and not while nobody knows', () => {
  const source = { url: 'https://t.example.org/{z}/{x}/{y}.png', attribution: '', max_zoom: 19 };
  expect(note('auto', undefined, 'off')).toBeUndefined();
  expect(note('auto', null, 'off')).toBe('Streets are not configured');
  expect(note('auto', source, 'loading')).toBeUndefined();
  expect(note('auto', source, 'shown')).toBeUndefined();
  expect(note('auto', source, 'unreachable')).toBe('Tile server not reachable');
  expect(note('off', source, 'unreachable')).toBeUndefined();
});

test('a part of the page is loaded twice at most', async () => {
  const waits: number[] = [];
  const wait = async (ms: number) => { waits.push(ms); };
  let tries = 0;
  const load = (until: number) => async () => {
    tries += 1;
    if (tries < until) throw new Error('gone');
    return 'here';
  };
  expect(await loadChunk(load(2), wait)).toBe('here');
  tries = 0;
  await expect(loadChunk(load(9), wait)).rejects.toThrow('gone');
  expect(tries).toBe(2);
  expect(waits).toEqual([1000, 1000]);
});
