// Longitude is a circle: what lies on both sides of 180 degrees lies together.
import { describe, expect, test } from 'vitest';
import { longitude, mercator, middleArc, onward } from '../src/lib/geo';
import { drawn, summary } from '../src/trail/track';
import land from '../src/map/land.geojson?raw';

type Line = [number, number][];

describe('the outlines of land', () => {
  const { features } = JSON.parse(land) as { features: { properties: { kind: string }; geometry: { type: string; coordinates: unknown[] } }[] };
  const lines = features.flatMap(({ geometry: { type, coordinates } }) =>
    (type === 'MultiPolygon' ? (coordinates as Line[][]).flat() : (coordinates as Line[])));

  test('no line runs across the world', () => {
    expect(lines.length).toBeGreaterThan(1000);
    const jumps = lines.flatMap((line) => line.slice(1).filter(([lon], i) => Math.abs(lon - line[i]![0]) > 180));
    expect(jumps).toEqual([]);
  });

  test('each lies once, round the middle of the map, and none of them at a pole alone', () => {
    const far = lines.filter((line) => line.some(([lon]) => Math.abs(lon) > 360));
    expect(far).toEqual([]);
    expect(lines.filter((line) => line.every(([, lat]) => Math.abs(lat) === 90))).toEqual([]);
    // Chukotka goes on past 180.
    expect(lines.some((line) => line.length > 5000 && line.some(([lon]) => lon > 185))).toBe(true);
  });
});

describe('where a fleet is', () => {
  const arc = (lons: number[], part = 1) => middleArc(lons.map((lon) => mercator(0, lon).x), part).map((x) => longitude(x));

  test('on both sides of 180 it is the small part of the circle, not the large one', () => {
    const [west, east] = arc([179.9, 179.8, -179.9, -179.8]);
    expect(west).toBeCloseTo(179.8, 6);
    expect(east).toBeCloseTo(180.2, 6);
  });

  test('elsewhere it is what it was', () => {
    expect(arc([10, -20, 5]).map((lon) => Math.round(lon))).toEqual([-20, 10]);
    expect(arc([7, 7]).map((lon) => Math.round(lon))).toEqual([7, 7]);
    expect(arc([-180, 180]).map((lon) => Math.abs(Math.round(lon)))).toEqual([180, 180]);
  });

  test('most of them: a few that are far off count for nothing, on either side', () => {
    const [west, east] = arc([...Array.from({ length: 50 }, (_, i) => 179.5 + i / 50).map((lon) => (lon > 180 ? lon - 360 : lon)), 0, 100], 0.86);
    expect(west).toBeGreaterThan(179);
    expect(east).toBeLessThan(181);
  });
});

describe('a trail over 180 degrees', () => {
  const fixes = [179.98, 179.99, -180, -179.99, -179.98].map((lon, i) => ({ time: i * 5000, lat: -17, lon, speed: 10 }));

  test('is drawn without a jump, and is as long as it is', () => {
    const lines = drawn(fixes).features.flatMap(({ geometry }) => (geometry.type === 'LineString' ? [geometry.coordinates] : []));
    expect(lines).toHaveLength(1);
    expect(lines[0]!.map(([lon]) => Math.round(lon! * 100) / 100)).toEqual([179.98, 179.99, 180, 180.01, 180.02]);
    expect(summary(fixes)!.metres).toBeLessThan(4500);
  });

  test('either way, and round the world', () => {
    expect(onward(179, -179)).toBe(-181);
    expect(onward(-179, 541)).toBe(541);
    const round = Array.from({ length: 80 }, (_, i) => ({ time: i * 1000, lat: 0, lon: ((i * 10 + 180) % 360) - 180 }));
    const lons = drawn(round).features.flatMap(({ geometry }) => (geometry.type === 'LineString' ? geometry.coordinates : [])).map(([lon]) => lon!);
    expect(Math.max(...lons.map(Math.abs))).toBeLessThan(540);
  });
});
