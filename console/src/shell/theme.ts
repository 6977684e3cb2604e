// Dark or light: as the system has it, or as chosen here.
import { useSyncExternalStore } from 'react';
import { Emitter } from '../lib/emitter';
import { forBrowser } from '../lib/storage';

export type Choice = 'system' | 'dark' | 'light';

const KEY = 'fanfare:theme';
const light = matchMedia('(prefers-color-scheme: light)');
const changes = new Emitter<void>();

let choice: Choice = read();

function read(): Choice {
  const kept = forBrowser.get(KEY);
  return kept === 'dark' || kept === 'light' ? kept : 'system';
}

export function theme(): 'dark' | 'light' {
  return choice === 'system' ? (light.matches ? 'light' : 'dark') : choice;
}

function apply(): void {
  document.documentElement.dataset.theme = theme();
  changes.emit();
}

export function choose(wanted: Choice): void {
  choice = wanted;
  if (wanted === 'system') forBrowser.delete(KEY);
  else forBrowser.set(KEY, wanted);
  apply();
}

/** Before anything shows. */
export function start(): void {
  light.addEventListener('change', apply);
  apply();
}

export const onTheme = changes.on;
export const useTheme = (): 'dark' | 'light' => useSyncExternalStore(changes.on, theme);
export const useThemeChoice = (): Choice => useSyncExternalStore(changes.on, () => choice);
