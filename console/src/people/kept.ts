// Where a browser keeps what its user has chosen to be.
import { forBrowser } from '../lib/storage';
import type { Claims } from '../session/token';

export const statusKey = ({ organization = '', user = '' }: Claims): string => `fanfare-console:status:${organization}:${user}`;

export const forgetStatus = (claims: Claims): void => forBrowser.delete(statusKey(claims));
