// What happens to the page and its network. Outside a browser nothing does.

export interface PageEvents {
  /** The network is back, or the page is looked at again. */
  wake(): void;
  /** The network is gone, says the browser. */
  offline(): void;
  /** The page is left. It may come back as it was. */
  left(): void;
}

/** Listens; answers how to stop. */
export function watchPage({ wake, offline, left }: PageEvents): () => void {
  if (typeof addEventListener !== 'function') return () => {};
  const stop = new AbortController();
  const { signal } = stop;
  addEventListener('online', wake, { signal });
  addEventListener('offline', offline, { signal });
  addEventListener('pageshow', (event) => event.persisted && wake(), { signal });
  addEventListener('pagehide', left, { signal });
  globalThis.document?.addEventListener('visibilitychange', () => looked() && wake(), { signal });
  return () => stop.abort();
}

/** The origin of the page, where there is one. */
export function pageOrigin(): string | undefined {
  return globalThis.document && globalThis.location?.origin;
}

/** Where the page comes from. Throws where there is none. */
export function pageAddress(): string {
  const { origin } = globalThis.location ?? {};
  if (!origin || origin === 'null') throw new TypeError('`url` is needed: this is no page of a server');
  return origin;
}

/** Whether an attempt makes sense now: not without a network. */
export function online(): boolean {
  return globalThis.navigator?.onLine !== false;
}

/** Whether somebody looks at the page. */
export function looked(): boolean {
  return globalThis.document?.visibilityState !== 'hidden';
}
