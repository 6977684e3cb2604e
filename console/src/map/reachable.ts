// Apart from the map's style, so that asking does not wait for the map's code.

/** Whether tiles can be had: asks for the first of all. */
export async function tilesReachable(signal: AbortSignal): Promise<boolean> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(5000)]);
    const answer = await fetch('https://tile.openstreetmap.org/0/0/0.png', { signal: limit });
    return answer.ok;
  } catch {
    return false;
  }
}
