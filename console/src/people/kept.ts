// Where a browser keeps what its user has chosen to be.
import { FOLDER, forBrowser } from '../lib/storage';

export const statusKey = (owner: string): string => `fanfare-console:status:${FOLDER}:${owner}`;

export const forgetStatus = (owner: string): void => forBrowser.delete(statusKey(owner));
