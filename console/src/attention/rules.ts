// What calls for attention of somebody who does not look, and how. Rules only.
import type { Availability } from 'fanfare-client';

/** Older than this it is history: it came while there was no connection. */
const NEWS = 5 * 60_000;

export interface Happened {
  /** When, by the server's time. */
  at: number;
  /** Whether this page shows it to somebody who looks at it. */
  seen: boolean;
  mine: boolean;
  urgent: boolean;
}

/** Whether a notification or a sound announces it. "Do not disturb" mutes everything but urgent notices. */
export function calls({ at, seen, mine, urgent }: Happened, me: Availability, now: number): boolean {
  return !mine && !seen && (urgent || me !== 'busy') && now - at < NEWS;
}

/** The page's title: how many messages are unread, and whether an urgent notice waits. */
export function title(unread: number, urgent: boolean, base = 'Fanfare'): string {
  return `${urgent ? '! ' : ''}${unread > 0 ? `(${unread > 999 ? '999+' : unread}) ` : ''}${base}`;
}
