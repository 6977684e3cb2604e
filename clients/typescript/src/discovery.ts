import { within, type Clock } from './clock.ts';
import { pageOrigin } from './page.ts';
import type { Address, Kind } from './transport.ts';

const PATIENCE = 2_000;

/** What is known of how to connect. */
export interface Ways {
  readonly addresses: Partial<Record<Kind, Address>>;
  /** Whether the server has answered; `mute`: a page was not allowed to read what; a number: that status, and nothing else. */
  readonly answered: boolean | 'mute' | number;
  /** Addresses that the server names and the program does not allow. */
  readonly left: readonly string[];
}

/** The address that the program gives, as the folder beneath which everything is asked for. */
export function baseOf(url: string): URL {
  const base = new URL(url);
  if (/^wss?:$/.test(base.protocol)) base.protocol = base.protocol === 'wss:' ? 'https:' : 'http:';
  base.search = base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return base;
}

/**
 * Asks the server how to connect: at each attempt anew, as its certificate may have been renewed. Where it does not
 * answer, or names no WebSocket that may be used, the WebSocket's address follows from the server's own.
 */
export async function discover(
  base: URL,
  hosts: readonly string[],
  clock: Clock,
  ask: typeof fetch,
  signal: AbortSignal,
): Promise<Ways> {
  const addresses: Ways['addresses'] = { websocket: { url: derived(base), hashes: [] } };
  const left: string[] = [];
  const usable = (told: unknown, kind: Kind) => {
    if (typeof told !== 'string') return undefined;
    const url = resolve(base, told, kind);
    if (url && allowed(base, hosts, url)) return kind === 'websocket' && !beneath(base, url) ? undefined : url.href;
    left.push(told);
    return undefined;
  };
  const at = new URL('api/v1/transport', base);
  let status: number | undefined;
  try {
    const answer = ask(at, { signal, cache: 'no-store' }).then((response) => {
      if (!response.ok) throw (status = response.status);
      return response.json();
    });
    const { webtransport, websocket } = await within(clock, PATIENCE, answer, 'no answer');
    const quic = usable(webtransport?.url, 'webtransport');
    if (quic) addresses.webtransport = { url: quic, hashes: (webtransport.certificate_hashes ?? []).map(bytes) };
    const url = usable(websocket?.url, 'websocket');
    if (url) addresses.websocket = { url, hashes: [] };
    return { addresses, answered: true, left };
  } catch {
    if (status !== undefined) return { addresses, answered: status, left };
    // The answer to such a request cannot be read, but that there is one can be known.
    const mute = () => ask(at, { signal, cache: 'no-store', mode: 'no-cors' }).then(() => 'mute' as const, () => false as const);
    return { addresses, answered: pageOrigin() !== undefined && (await within(clock, PATIENCE, mute(), '').catch(() => false as const)), left };
  }
}

/** Why no transport opened, as far as a page gets to know. */
export function unreachable(base: URL, { answered }: Pick<Ways, 'answered'>): string {
  const page = pageOrigin();
  const doubt = page ? `: is this page's origin ${page} among the server's \`origins\`?` : '';
  if (answered === 'mute') return `${base.origin} does not answer this page${doubt}`;
  if (typeof answered === 'number') return `${base.origin} answers with status ${answered}`;
  return answered ? `${base.origin} answers, but no transport opened${doubt}` : `not reachable: ${base.origin} does not answer`;
}

function derived(base: URL): string {
  const url = new URL('ws', base);
  url.protocol = base.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

function resolve(base: URL, told: string, kind: Kind): URL | undefined {
  try {
    const url = new URL(told, base);
    // Where the address is relative, so is its scheme.
    if (kind === 'websocket' && /^http/.test(url.protocol)) url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return (kind === 'websocket' ? /^wss?:$/ : /^https:$/).test(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}

/** Not weaker than the address that the program gave, and of no other host: but for those that the program names. */
function allowed(base: URL, hosts: readonly string[], url: URL): boolean {
  if (hosts.some((host) => SCHEME.test(host) && new URL(host).origin === url.origin)) return true;
  if (base.protocol === 'https:' && url.protocol === 'ws:') return false;
  return sameHost(url, base) || hosts.some((host) => !SCHEME.test(host) && names(host, url));
}

const SCHEME = /^\w+:\/\//;

/** Whether `host`, with a port or without, means that of `url`. As addresses leave out the port that is usual, it may be written. */
function names(host: string, { protocol, hostname, host: whole }: URL): boolean {
  const named = new URL(`${protocol}//${host}`);
  return /:\d+$/.test(host) ? named.host === whole : named.hostname === hostname;
}

/** Throws where one is none: it would never be found. */
export function checkedHosts(hosts: readonly string[]): readonly string[] {
  for (const host of hosts) new URL(SCHEME.test(host) ? host : `https://${host}`);
  return hosts;
}

/** This machine has several names. Only WebTransport may need another one: a server names WebSocket as it was asked. */
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

function sameHost(one: URL, other: URL): boolean {
  if (one.hostname === other.hostname) return true;
  return one.protocol === 'https:' && (LOOPBACK.test(one.hostname) && LOOPBACK.test(other.hostname));
}

/** On the very port that the program gave, a server that knows nothing of the path before its own names a wrong one. */
function beneath(base: URL, url: URL): boolean {
  const same = url.host === base.host && (url.protocol === 'wss:') === (base.protocol === 'https:');
  return !same || url.pathname.startsWith(base.pathname);
}

function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}
