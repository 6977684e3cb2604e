// What one has asked to be told by: kept in this browser.
import { useSyncExternalStore } from 'react';
import { Emitter } from '../lib/emitter';
import { askPermission, forBrowser, notify, permission } from '../lib/storage';

export type Setting = 'notifications' | 'sound';

const key = (setting: Setting) => `fanfare-console:${setting}`;
const changes = new Emitter<void>();

/** On, and allowed by the browser. */
export function isOn(setting: Setting): boolean {
  return forBrowser.get(key(setting)) === 'on' && (setting === 'sound' || permission() === 'granted');
}

/** Asks the browser where it has to be asked. Answers whether it is so now. */
export async function turn(setting: Setting, on: boolean): Promise<boolean> {
  if (on && setting === 'notifications') {
    if (permission() !== 'granted' && (await askPermission()) !== 'granted') return false;
    // Some browsers grant it and show none: the first one tells.
    if (!notify('Fanfare', { body: 'Notifications are on.', tag: 'fanfare' }, () => {})) return false;
  }
  if (on) forBrowser.set(key(setting), 'on');
  else forBrowser.delete(key(setting));
  changes.emit();
  return true;
}

export const useSetting = (setting: Setting): boolean => useSyncExternalStore(changes.on, () => isOn(setting));
