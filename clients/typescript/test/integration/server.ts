// The real server, as the browser tests of the repository start it.
// @ts-expect-error: plain JavaScript
import { Server as Started, token as sign } from '../../../../tests/browser/lib/server.mjs';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Server {
  base: string;
  connections(count: number, ms?: number): Promise<number>;
  metric(name: string): Promise<number>;
  terminate(): void;
  exited: Promise<number>;
  stop(): Promise<void>;
}

process.env.FANFARE_BIN ??= fileURLToPath(new URL('../../../../target/debug/fanfare', import.meta.url));

export function start(origins: string[] = ['http://localhost:1'], settings: Record<string, string> = {}): Promise<Server> {
  if (!existsSync(process.env.FANFARE_BIN as string)) throw new Error('FANFARE_BIN names no server; build it first');
  return Started.start(origins, settings);
}

/** A token of organisation `acme`; `exp` is in seconds. */
export const token: (user: string, role: string, exp?: number) => string = sign;

/** Waits until `look` answers something true, which it answers. */
export async function until<T>(what: string, look: () => T | Promise<T>, ms = 10_000): Promise<NonNullable<T>> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
