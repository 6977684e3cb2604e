// Web Mercator in units of the whole world: x and y from 0 (west, north) to 1.

export interface Point {
  x: number;
  y: number;
}

/** Web Mercator ends here. */
const MAX_LATITUDE = 85.051129;

export function mercator(lat: number, lon: number): Point {
  const bounded = Math.max(-MAX_LATITUDE, Math.min(MAX_LATITUDE, lat));
  const sine = Math.sin((bounded * Math.PI) / 180);
  return { x: lon / 360 + 0.5, y: 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI) };
}

export function latitude(y: number): number {
  return (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;
}

export function longitude(x: number): number {
  return (x - 0.5) * 360;
}

/** A difference of x by the shorter way round the world. */
export function shortest(dx: number): number {
  return dx - Math.round(dx);
}

/** The same place between 0 and 1. */
export function wrapped(x: number): number {
  return x - Math.floor(x);
}

/** The range of the middle part of some values. */
export function middle(values: readonly number[], part: number): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const left = Math.floor((sorted.length - 1) * ((1 - part) / 2));
  return [sorted[left]!, sorted[sorted.length - 1 - left]!];
}

/** The same of values of x, which lie on a circle: the widest gap between them is outside. The second may be over 1. */
export function middleArc(xs: readonly number[], part: number): [number, number] {
  const sorted = xs.map(wrapped).sort((a, b) => a - b);
  let start = 0;
  let widest = sorted[0]! + 1 - sorted.at(-1)!;
  for (let i = 1; i < sorted.length; i++) {
    const gap = sorted[i]! - sorted[i - 1]!;
    if (gap > widest) [widest, start] = [gap, i];
  }
  return middle(sorted.map((x, i) => (i < start ? x + 1 : x)), part);
}

/** Longitudes one after another without a jump: each by the shorter way from the one before, so that it may be over 180. */
export function onward(lon: number, before: number): number {
  return before + 360 * shortest((lon - before) / 360);
}

const EARTH_RADIUS = 6_371_008.8;

/** Metres along the great circle. */
export function distance(a: { lat: number; lon: number }, b: { lat: number; lon: number }): number {
  const rad = Math.PI / 180;
  const dLat = (b.lat - a.lat) * rad;
  const dLon = (b.lon - a.lon) * rad;
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(a.lat * rad) * Math.cos(b.lat * rad) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_RADIUS * Math.asin(Math.min(1, Math.sqrt(h)));
}
