// A grid of meridians and parallels that gets finer with the zoom: orientation where there are no tiles.
import type { FeatureCollection, LineString } from 'geojson';

const STEPS = [30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];

export interface Bounds {
  west: number;
  south: number;
  east: number;
  north: number;
}

/** Degrees between lines so that some six of them cross the view. */
export function step(bounds: Bounds): number {
  const wanted = (bounds.east - bounds.west) / 5;
  return STEPS.findLast((s) => s >= wanted) ?? 30;
}

export function graticule(bounds: Bounds): FeatureCollection<LineString> {
  const s = step(bounds);
  // A view more on each side, so that dragging shows no edge.
  const wide = bounds.east - bounds.west;
  const high = bounds.north - bounds.south;
  const west = Math.max(-540, bounds.west - wide);
  const east = Math.min(540, bounds.east + wide);
  const south = Math.max(-85, bounds.south - high);
  const north = Math.min(85, bounds.north + high);
  const lines: [number, number][][] = [];
  for (let i = Math.ceil(west / s); i * s <= east; i++) lines.push([[i * s, south], [i * s, north]]);
  for (let i = Math.ceil(south / s); i * s <= north; i++) lines.push([[west, i * s], [east, i * s]]);
  return {
    type: 'FeatureCollection',
    features: lines.map((coordinates) => ({
      type: 'Feature', properties: {}, geometry: { type: 'LineString', coordinates },
    })),
  };
}
