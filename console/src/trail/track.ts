// An agent's track: what of it is drawn, and what it sums up to. Pure.
import type { Feature, FeatureCollection } from 'geojson';
import { distance } from '../lib/geo';

export interface Fix {
  time: number;
  lat: number;
  lon: number;
  speed?: number | undefined;
}

export interface Summary {
  points: number;
  metres: number;
  /** Metres a second. */
  fastest: number | undefined;
  from: number;
  to: number;
}

/** Without fixes for this long a track is broken off: nobody knows what lies between. */
const BREAK = 10 * 60_000;
/** Speeds within a step of so many km/h are drawn as one line. */
const STEP = 5;

/** Fixes in order of time, each time once. */
export function merge(known: readonly Fix[], more: readonly Fix[]): Fix[] {
  const last = known.at(-1)?.time ?? -Infinity;
  if (more.every((fix, i) => fix.time > (more[i - 1]?.time ?? last))) return [...known, ...more];
  const byTime = new Map([...known, ...more].map((fix) => [fix.time, fix]));
  return [...byTime.values()].sort((a, b) => a.time - b.time);
}

export function summary(fixes: readonly Fix[]): Summary | undefined {
  const first = fixes[0];
  const last = fixes.at(-1);
  if (!first || !last) return undefined;
  let sum = 0;
  let fastest: number | undefined;
  for (const [i, fix] of fixes.entries()) {
    const before = fixes[i - 1];
    if (before && fix.time - before.time < BREAK) sum += distance(before, fix);
    if (fix.speed !== undefined) fastest = Math.max(fastest ?? 0, fix.speed);
  }
  return { points: fixes.length, metres: sum, fastest, from: first.time, to: last.time };
}

/** Lines coloured by `kmh`, and a dot where the track begins. */
export function drawn(fixes: readonly Fix[]): FeatureCollection {
  const features: Feature[] = [];
  let line: [number, number][] = [];
  let kmh = -1;
  const finish = () => {
    if (line.length > 1) features.push({ type: 'Feature', properties: { kmh }, geometry: { type: 'LineString', coordinates: line } });
  };
  for (const [i, fix] of fixes.entries()) {
    const before = fixes[i - 1];
    const speed = Math.round(((fix.speed ?? before?.speed ?? 0) * 3.6) / STEP) * STEP;
    const broken = !before || fix.time - before.time >= BREAK;
    if (broken || speed !== kmh) {
      finish();
      line = broken ? [] : [[before.lon, before.lat]];
      kmh = speed;
    }
    line.push([fix.lon, fix.lat]);
  }
  finish();
  const start = fixes[0];
  if (start) features.push({ type: 'Feature', properties: {}, geometry: { type: 'Point', coordinates: [start.lon, start.lat] } });
  return { type: 'FeatureCollection', features };
}

export const NOTHING: FeatureCollection = { type: 'FeatureCollection', features: [] };
