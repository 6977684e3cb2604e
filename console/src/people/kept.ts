// Where a browser keeps what its user has chosen to be.
import { FOLDER, forBrowser } from '../lib/storage';
import type { Claims } from '../session/token';

/** Undefined where it is not known whose it would be. */
export const statusKey = ({ owner }: Claims): string | undefined => (owner === undefined ? undefined : `fanfare-console:status:${FOLDER}:${owner}`);

export function forgetStatus(claims: Claims): void {
  const key = statusKey(claims);
  if (key !== undefined) forBrowser.delete(key);
}
