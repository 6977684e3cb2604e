// What lies under the markers: land outlines that come with the console, a grid, and the names of large cities. Tiles lie
// over all that (streets.ts).
import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from 'maplibre-gl';
import landUrl from './land.geojson?url';
import { cities } from './cities';
import type { Palette } from './palette';
import { SPEEDS, trailColors } from './speeds';

const FONT = ['Inter Variable'];

export function style(p: Palette): StyleSpecification {
  return {
    version: 8,
    sources: {
      land: { type: 'geojson', data: new URL(landUrl, location.href).href, attribution: 'Natural Earth', tolerance: 0.4 },
      grid: { type: 'geojson', data: { type: 'FeatureCollection', features: [] } },
      cities: { type: 'geojson', data: cities() },
      trail: { type: 'geojson', data: { type: 'FeatureCollection', features: [] } },
    },
    layers: layers(p),
  };
}

export function layers(p: Palette): LayerSpecification[] {
  // The outlines are drawn for the scale of countries. In a city they would be wrong, so they fade before.
  const near = (far: unknown, close: unknown) => ['interpolate', ['linear'], ['zoom'], 8, far, 10, close] as ExpressionSpecification;
  return [
    { id: 'sea', type: 'background', paint: { 'background-color': near(p.sea, p.land) } },
    { id: 'land', type: 'fill', source: 'land', filter: ['in', ['get', 'kind'], ['literal', ['land', 'pole']]], paint: { 'fill-color': p.land } },
    { id: 'grid', type: 'line', source: 'grid', paint: { 'line-color': p.grid, 'line-width': 1 } },
    {
      id: 'coast', type: 'line', source: 'land', filter: ['in', ['get', 'kind'], ['literal', ['land', 'coast']]],
      paint: { 'line-color': p.coast, 'line-width': 1, 'line-opacity': near(1, 0) },
    },
    {
      id: 'border', type: 'line', source: 'land', filter: ['==', ['get', 'kind'], 'border'],
      paint: { 'line-color': p.border, 'line-width': 1, 'line-dasharray': [3, 2], 'line-opacity': near(1, 0) },
    },
    {
      id: 'cities', type: 'symbol', source: 'cities',
      layout: {
        'text-field': ['get', 'name'],
        'text-font': FONT,
        'text-size': ['interpolate', ['linear'], ['zoom'], 2, 11, 10, 13],
        'text-padding': 12,
        'symbol-sort-key': ['get', 'rank'],
      },
      paint: { 'text-color': p.label, 'text-halo-color': p.halo, 'text-halo-width': 1.4 },
    },
    {
      id: 'trail-case', type: 'line', source: 'trail', filter: ['==', ['geometry-type'], 'LineString'],
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': p.dark ? '#05070a' : '#ffffff', 'line-width': 6.5, 'line-opacity': 0.85 },
    },
    {
      id: 'trail', type: 'line', source: 'trail', filter: ['==', ['geometry-type'], 'LineString'],
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': speedColor(p), 'line-width': 3 },
    },
    {
      id: 'trail-ends', type: 'circle', source: 'trail', filter: ['==', ['geometry-type'], 'Point'],
      paint: {
        'circle-radius': 5, 'circle-color': p.halo, 'circle-stroke-width': 2.5, 'circle-stroke-color': p.accent,
      },
    },
  ];
}

function speedColor(p: Palette): ExpressionSpecification {
  const colors = trailColors(p.dark);
  const scale = ['interpolate', ['linear'], ['get', 'kmh'], ...SPEEDS.flatMap((kmh, i) => [kmh, colors[i]!])];
  // Unknown is no speed of 0.
  return ['case', ['has', 'kmh'], scale, p.label] as unknown as ExpressionSpecification;
}
