// An agent's track: what of it is drawn, and what it sums up to. Pure.
import type { Feature, FeatureCollection } from 'geojson';
import { placed } from '../fleet/place';
import { known } from '../lib/format';
import { distance, onward } from '../lib/geo';

export interface Fix {
  time: number;
  lat: number;
  lon: number;
  speed?: number | undefined;
  accuracy?: number | undefined;
  /** Of stored fixes only: those that come live do not tell it. */
  counter?: number | undefined;
}

export interface Summary {
  points: number;
  /** Fixes that do not say where the agent was. */
  unplaced: number;
  metres: number;
  /** Metres a second. */
  fastest: number | undefined;
  from: number;
  to: number;
  /** How many times as fast as its own speed says the agent moved, where that is far more: a track that is played faster. */
  pace: number | undefined;
}

/** Without fixes for this long a track is broken off: nobody knows what lies between. */
const BREAK = 10 * 60_000;
/** Speeds within a step of so many km/h are drawn as one line. */
const STEP = 5;
/** What is less than so many times as fast, or shorter in metres, may be a matter of measuring. */
const FAR_FASTER = 5;
const LONG = 1_000;

/** Fixes in order of time, each once: a live one gives way to what was stored of the same time. */
export function merge(fixes: readonly Fix[], more: readonly Fix[]): Fix[] {
  const last = fixes.at(-1)?.time ?? -Infinity;
  if (more.every((fix, i) => fix.time > (more[i - 1]?.time ?? last))) return [...fixes, ...more];
  const all = [...fixes, ...more];
  const stored = new Set(all.flatMap(({ counter, time }) => (counter === undefined ? [] : [time])));
  const found = new Map<string, Fix>();
  for (const fix of all) {
    if (fix.counter !== undefined) found.set(`${fix.time}.${fix.counter}`, fix);
    else if (!stored.has(fix.time)) found.set(`${fix.time}`, fix);
  }
  return [...found.values()].sort((a, b) => a.time - b.time || (a.counter ?? 0) - (b.counter ?? 0));
}

export function summary(all: readonly Fix[]): Summary | undefined {
  const fixes = all.filter(placed);
  const first = fixes[0];
  const last = fixes.at(-1);
  if (!first || !last) return undefined;
  let sum = 0;
  let fastest: number | undefined;
  /** Of the pieces whose speed is known: how long they are, and how long by that speed. */
  let [timed, expected] = [0, 0];
  for (const [i, fix] of fixes.entries()) {
    const before = fixes[i - 1];
    const speed = known(fix.speed);
    if (speed !== undefined) fastest = Math.max(fastest ?? 0, speed);
    if (!before || fix.time - before.time >= BREAK) continue;
    const metres = distance(before, fix);
    sum += metres;
    if (speed === undefined) continue;
    timed += metres;
    expected += (Math.max(speed, known(before.speed) ?? 0) * (fix.time - before.time)) / 1000;
  }
  const pace = expected > 0 && timed > LONG && timed / expected > FAR_FASTER ? Math.round(timed / expected) : undefined;
  return { points: fixes.length, unplaced: all.length - fixes.length, metres: sum, fastest, from: first.time, to: last.time, pace };
}

/** Lines coloured by `kmh`, which is absent where no speed is known, and a dot where the track begins. */
export function drawn(all: readonly Fix[]): FeatureCollection {
  const fixes = all.filter(placed);
  const features: Feature[] = [];
  let line: [number, number][] = [];
  let kmh: number | undefined;
  const finish = () => {
    const properties = kmh === undefined ? {} : { kmh };
    if (line.length > 1) features.push({ type: 'Feature', properties, geometry: { type: 'LineString', coordinates: line } });
  };
  for (const [i, fix] of fixes.entries()) {
    const before = fixes[i - 1];
    const told = known(fix.speed) ?? known(before?.speed);
    const speed = told === undefined ? undefined : Math.round((told * 3.6) / STEP) * STEP;
    const broken = !before || fix.time - before.time >= BREAK;
    // The map knows one world on either side of its own.
    const far = Math.abs(line.at(-1)?.[0] ?? 0) > 360;
    if (broken || far || speed !== kmh) {
      finish();
      line = broken ? [] : [[before.lon, before.lat]];
      kmh = speed;
    }
    line.push([onward(fix.lon, line.at(-1)?.[0] ?? fix.lon), fix.lat]);
  }
  finish();
  const start = fixes[0];
  if (start) features.push({ type: 'Feature', properties: {}, geometry: { type: 'Point', coordinates: [start.lon, start.lat] } });
  return { type: 'FeatureCollection', features };
}

export const NOTHING: FeatureCollection = { type: 'FeatureCollection', features: [] };
