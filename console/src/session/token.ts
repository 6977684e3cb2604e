// The token that signs in: from the address's fragment, which never leaves the browser, or pasted. Kept for this tab; the
// others get it from this one (tabs.ts).
import { forTab } from '../lib/storage';

const KEY = 'fanfare:token';
/** Whose it is, as the server has said. */
const OWNER = 'fanfare:owner';

/** Takes `#token=…` out of the address, so that it is in no bookmark or screenshot. */
export function takeFromAddress(): string | undefined {
  const found = location.hash.match(/^#\/?token=([^&]+)/)?.[1];
  if (found === undefined) return undefined;
  history.replaceState(null, '', `${location.pathname}${location.search}`);
  const token = clean(decoded(found));
  keep(token);
  return token;
}

/** As it stands where it is no encoding: then it is no token either, and the server says so. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const kept = (): string | undefined => forTab.get(KEY);

export function keep(token: string): void {
  if (token !== kept()) forTab.delete(OWNER);
  forTab.set(KEY, token);
}

export function forget(): void {
  forTab.delete(KEY);
  forTab.delete(OWNER);
}

export const keptOwner = (token: string): string | undefined => (token === kept() ? forTab.get(OWNER) : undefined);

export function keepOwner(token: string, owner: string): void {
  if (token === kept()) forTab.set(OWNER, owner);
}

/** What people paste: with spaces and line breaks, as a whole address, or with `Bearer` before it. */
export function clean(pasted: string): string {
  const text = pasted.replace(/\s+/g, ' ').trim();
  return (text.match(/token=([^&\s]+)/)?.[1] ?? text.replace(/^bearer /i, '')).replaceAll(' ', '');
}

export interface Claims {
  user?: string;
  organization?: string;
  departments: string[];
  /** Milliseconds since 1970. */
  expires?: number;
}

/** What a token says, unverified and by the usual names: to show, never to decide by. Undefined if it is no token. */
export function claims(token: string): Claims | undefined {
  try {
    const [, body = ''] = token.split('.');
    const bytes = Uint8Array.from(atob(body.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const said: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof said !== 'object' || said === null) return undefined;
    const { sub, org, departments, exp } = said as Record<string, unknown>;
    // Numbers are text to the server, too.
    const [user, organization] = [sub, org].map((id) => (typeof id === 'string' || Number.isSafeInteger(id) ? String(id) : undefined));
    return {
      ...(user !== undefined && { user }),
      ...(organization !== undefined && { organization }),
      ...(typeof exp === 'number' && { expires: exp * 1000 }),
      departments: Array.isArray(departments) ? departments.filter((d) => typeof d === 'string') : [],
    };
  } catch {
    return undefined;
  }
}

/** Whether a token says that its time is over, or about to be. `now` is the server's time, as far as it is known. */
export function expired(token: string, now: number): boolean {
  const expires = claims(token)?.expires;
  return expires !== undefined && expires < now + 60_000;
}
