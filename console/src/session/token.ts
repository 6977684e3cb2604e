// The token that signs in: from the address's fragment, which never leaves the browser, or pasted. Kept for this tab; the
// others get it from this one (tabs.ts).
import { forTab } from '../lib/storage';

const KEY = 'fanfare:token';

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
export const keep = (token: string): void => forTab.set(KEY, token);
export const forget = (): void => forTab.delete(KEY);

/** What people paste: with spaces and line breaks, as a whole address, or with `Bearer` before it. */
export function clean(pasted: string): string {
  const text = pasted.replace(/\s+/g, ' ').trim();
  return (text.match(/token=([^&\s]+)/)?.[1] ?? text.replace(/^bearer /i, '')).replaceAll(' ', '');
}

export interface Claims {
  /**
   * Whose the token is, for what this browser keeps for a user and what its tabs share. Undefined where the usual claims do
   * not say both organisation and user: such a token counts as like no other, as the server may read other claims.
   */
  owner?: string;
  user?: string;
  organization?: string;
  departments: string[];
  /** Milliseconds since 1970. */
  expires?: number;
}

/** What a token says, unverified: to show, never to decide by. Undefined if it is no token. */
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
      ...(user !== undefined && organization !== undefined && { owner: JSON.stringify([organization, user]) }),
      ...(user !== undefined && { user }),
      ...(organization !== undefined && { organization }),
      ...(typeof exp === 'number' && { expires: exp * 1000 }),
      departments: Array.isArray(departments) ? departments.filter((d) => typeof d === 'string') : [],
    };
  } catch {
    return undefined;
  }
}

/** Whether a token of the same user ends later than another, as both say. */
export function isLater(token: string, than: string): boolean {
  const [one, other] = [claims(token), claims(than)];
  return one?.owner !== undefined && one.owner === other?.owner && (one.expires ?? 0) > (other?.expires ?? 0);
}

/** Whether a token says that its time is over, or about to be. `now` is the server's time, as far as it is known. */
export function expired(token: string, now: number): boolean {
  const expires = claims(token)?.expires;
  return expires !== undefined && expires < now + 60_000;
}
