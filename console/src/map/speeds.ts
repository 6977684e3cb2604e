/** Slow to fast, in km/h, and the colours of a trail at these speeds. */
export const SPEEDS = [0, 20, 40, 70] as const;

export function trailColors(dark: boolean): readonly string[] {
  return dark ? ['#6b7bff', '#54b3ff', '#5fe0c0', '#f7d774'] : ['#3f3fbf', '#1f7fd6', '#0c9f86', '#c98a00'];
}
