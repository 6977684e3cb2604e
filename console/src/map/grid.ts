// Groups of markers that stand so close that only their number can be read.
import { shortest, wrapped } from '../lib/geo';

export interface Group {
  count: number;
  /** In the middle of its members, in units of the world. */
  x: number;
  y: number;
}

/** Groups of at least `least`, by a grid of cells of `size` (units of the world), largest first. */
export function group(each: (visit: (id: string, x: number, y: number) => void) => void, size: number, least: number): Group[] {
  const cells = new Map<string, Group>();
  each((_, place, y) => {
    const x = wrapped(place);
    const key = `${Math.floor(x / size)}/${Math.floor(y / size)}`;
    const cell = cells.get(key);
    if (cell) {
      cell.count++;
      cell.x += x;
      cell.y += y;
    } else cells.set(key, { count: 1, x, y });
  });
  const large = [...cells.values()].filter(({ count }) => count >= least).sort((a, b) => b.count - a.count);
  const found: Group[] = [];
  for (const { count, x, y } of large) {
    // One that would lie on a larger one belongs to it.
    const near = found.find((group) => Math.hypot(shortest(group.x - x / count), group.y - y / count) < size * 0.8);
    if (!near) found.push({ count, x: x / count, y: y / count });
    else {
      const sum = near.count + count;
      near.x = wrapped(near.x + (shortest(x / count - near.x) * count) / sum);
      near.y = (near.y * near.count + y) / sum;
      near.count = sum;
    }
  }
  return found;
}
