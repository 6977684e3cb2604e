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

const EARTH_RADIUS = 6_371_008.8;

/** Metres along the great circle. */
export function distance(a: { lat: number; lon: number }, b: { lat: number; lon: number }): number {
  const rad = Math.PI / 180;
  const dLat = (b.lat - a.lat) * rad;
  const dLon = (b.lon - a.lon) * rad;
  const h = Math.sin(dLat / 2) ** 2 + Math.cos(a.lat * rad) * Math.cos(b.lat * rad) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_RADIUS * Math.asin(Math.min(1, Math.sqrt(h)));
}
