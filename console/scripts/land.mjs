// Writes src/map/land.geojson: the outlines of land and the borders between countries, from Natural Earth 1:50m (public
// domain) as packed by world-atlas. One file that the map's worker fetches and parses off the main thread.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { feature, mesh } from 'topojson-client';
import * as circle from './circle.mjs';

const require = createRequire(import.meta.url);
const read = (name) => JSON.parse(readFileSync(require.resolve(`world-atlas/${name}`), 'utf8'));

/** To a hundredth of a degree, about 1 km: what the outlines are good for. Points that fall together are one. */
const round = (value) => Math.round(value * 100) / 100;
function line(points) {
  const rounded = points.map(([lon, lat]) => [round(lon), round(lat)]);
  return rounded.filter(([lon, lat], i) => i === 0 || lon !== rounded[i - 1][0] || lat !== rounded[i - 1][1]);
}
/** Islands that have shrunk to a point or a stroke are left out. */
const rings = (rings) => rings.map(line).filter((ring) => ring.length > 3);

const land = read('land-50m.json');
const countries = read('countries-50m.json');
const polygons = feature(land, land.objects.land)
  .features.flatMap(({ geometry: { type, coordinates } }) => (type === 'Polygon' ? [coordinates] : coordinates))
  .map((rough) => circle.polygon(rings(rough)))
  .filter(Boolean);
const borders = mesh(countries, countries.objects.countries, (a, b) => a !== b).coordinates.map(line).filter((points) => points.length > 1);

const one = (kind, type, coordinates) => ({ type: 'Feature', properties: { kind }, geometry: { type, coordinates } });
const features = [
  one('land', 'MultiPolygon', polygons.filter(({ coast }) => !coast).map(({ rings }) => rings)),
  one('pole', 'MultiPolygon', polygons.filter(({ coast }) => coast).map(({ rings }) => rings)),
  one('coast', 'MultiLineString', polygons.flatMap(({ coast }) => (coast ? [coast] : []))),
  one('border', 'MultiLineString', borders.map(circle.line)),
];

const target = new URL('../src/map/land.geojson', import.meta.url);
mkdirSync(new URL('.', target), { recursive: true });
writeFileSync(target, JSON.stringify({ type: 'FeatureCollection', features }, (_, value) => (typeof value === 'number' ? round(value) : value)));
