// Longitude is a circle. Maps take lines that go on past 180 degrees, but draw one that jumps from 179 to -179 across all
// the world.

/** The same line without jumps: longitudes go on past 180. */
export function unwrap(points) {
  let last = points[0]?.[0] ?? 0;
  return points.map(([lon, lat]) => {
    last = lon + 360 * Math.round((last - lon) / 360);
    return [last, lat];
  });
}

const middle = (points) => {
  const lons = points.map(([lon]) => lon);
  return (Math.min(...lons) + Math.max(...lons)) / 2;
};

/** Moved by whole turns to where the middle of it is nearest to `lon`. */
function near(points, lon) {
  const by = 360 * Math.round((lon - middle(points)) / 360);
  return points.map(([x, y]) => [x + by, y]);
}

export const line = (points) => near(unwrap(points), 0);

/**
 * The rings of a polygon without jumps. `coast` is what is to be drawn as its outline where that is not the rings: a ring
 * round a pole is closed along the pole, where there is no coast.
 */
export function polygon(rings) {
  const [outer, ...holes] = rings.filter((ring) => ring.some(([, lat]) => Math.abs(lat) < 90));
  if (!outer) return undefined;
  const shape = line(outer);
  const [first, last] = [shape[0], shape.at(-1)];
  const around = Math.abs(last[0] - first[0]) > 180;
  const pole = shape.reduce((sum, [, lat]) => sum + lat, 0) < 0 ? -90 : 90;
  const closed = around ? [...shape, [last[0], pole], [middle(shape), pole], [first[0], pole], first] : shape;
  const at = middle(closed);
  return { rings: [closed, ...holes.map((hole) => near(unwrap(hole), at))], ...(around && { coast: shape }) };
}
