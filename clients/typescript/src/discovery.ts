import { within, type Clock } from './clock.ts';
import type { Address, Kind } from './transport.ts';

const PATIENCE = 2_000;

/**
 * Asks the server how to connect: at each attempt anew, as its certificate may have been renewed. Where it does not
 * answer, the WebSocket's address follows from its own.
 */
export async function discover(
  base: URL,
  clock: Clock,
  ask: typeof fetch,
  signal: AbortSignal,
): Promise<Partial<Record<Kind, Address>>> {
  const fallback = new URL('/ws', base);
  fallback.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
  try {
    const url = new URL('/api/v1/transport', base);
    const answer = ask(url, { signal, cache: 'no-store' }).then((response) => response.json());
    const told = await within(clock, PATIENCE, answer, 'no answer');
    return {
      webtransport: { url: String(told.webtransport.url), hashes: told.webtransport.certificate_hashes.map(bytes) },
      websocket: { url: String(told.websocket.url), hashes: [] },
    };
  } catch {
    return { websocket: { url: fallback.href, hashes: [] } };
  }
}

function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}
