// Whether the server has a newer console than this page is: parts that it would load now are gone there.
import { useSyncExternalStore } from 'react';
import { Emitter } from './emitter';

const changes = new Emitter<void>();
let outdated = false;

/** Whether an error says that a part of the page could not be loaded. Each browser has words of its own. */
export function isMissingPart(error: unknown): boolean {
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error);
  return /dynamically imported module|importing a module script failed|error loading dynamically|preload CSS/i.test(text);
}

function found(): void {
  if (outdated) return;
  outdated = true;
  changes.emit();
}

/** Before anything is loaded later. */
export function watchForUpdates(): void {
  // The bundler says it for every part that is loaded later.
  addEventListener('vite:preloadError', found);
  addEventListener('unhandledrejection', ({ reason }) => { if (isMissingPart(reason)) found(); });
}

export const useOutdated = (): boolean => useSyncExternalStore(changes.on, () => outdated);
