// What a browser keeps for this site, and what its tabs share. All of it may be missing or refused: the user has blocked
// site data, the disk is full, a policy forbids it. The page then works with what it holds in memory.

export interface Kept {
  get(key: string): string | undefined;
  set(key: string, value: string): void;
  delete(key: string): void;
  keys(): string[];
}

/** Over a browser's storage; in memory from the first refusal on, with what was set since. */
export function kept(open: () => Storage, refused: () => void = () => {}): Kept {
  const memory = new Map<string, string>();
  const attempt = <T>(work: (storage: Storage) => T, otherwise: T): T => {
    try {
      return work(open());
    } catch {
      refused();
      return otherwise;
    }
  };
  return {
    get: (key) => memory.get(key) ?? attempt((storage) => storage.getItem(key), null) ?? undefined,
    set(key, value) {
      const stored = attempt((storage) => (storage.setItem(key, value), true), false);
      if (stored) memory.delete(key);
      else memory.set(key, value);
    },
    delete(key) {
      memory.delete(key);
      attempt((storage) => storage.removeItem(key), undefined);
    },
    keys: () => [...new Set([...memory.keys(), ...attempt((storage) => Object.keys(storage), [])])],
  };
}

/** Where the page lies: several servers may share an origin, each in a folder, and with it all that a browser keeps. */
export const FOLDER = typeof location === 'undefined' ? '/' : new URL('.', location.href).pathname;

/** In memory only. */
export const unkept = (): Kept => kept(() => { throw new Error('not kept'); });

/** The same for all tabs, and after the browser is closed. */
export const forBrowser = kept(() => localStorage);
/** For this tab, its reloads included. */
export const forTab = kept(() => sessionStorage);

/** Whether the browser refuses to keep anything for this site. */
export function blocked(): boolean {
  try {
    const probe = 'fanfare-console:probe';
    localStorage.setItem(probe, '');
    localStorage.removeItem(probe);
    return typeof indexedDB === 'undefined' || indexedDB === null;
  } catch (error) {
    // A full disk refuses to write more, and still keeps what it has.
    return !(error instanceof DOMException && error.name === 'QuotaExceededError');
  }
}

/** Calls `listener` when another tab has changed `key`. Answers how to stop. */
export function onOtherTab(key: string, listener: (value: string | null) => void): () => void {
  const listen = (event: StorageEvent) => { if (event.key === key) listener(event.newValue); };
  addEventListener('storage', listen);
  return () => removeEventListener('storage', listen);
}

export interface Channel {
  send(message: unknown): void;
  close(): void;
}

/** Between the tabs of this site. Where the browser offers none, this tab is alone. */
export function channel(name: string, take: (message: unknown) => void): Channel {
  try {
    const open = new BroadcastChannel(name);
    open.onmessage = ({ data }) => take(data);
    return {
      send: (message) => { try { open.postMessage(message); } catch { /* closed */ } },
      close: () => open.close(),
    };
  } catch {
    return { send() {}, close() {} };
  }
}

export function deleteDatabase(name: string): void {
  try {
    indexedDB.deleteDatabase(name);
  } catch {
    // Then there is none.
  }
}

/** What the user has allowed about notifications of the system; undefined where there are none. */
export function permission(): NotificationPermission | undefined {
  try {
    return Notification.permission;
  } catch {
    return undefined;
  }
}

export async function askPermission(): Promise<NotificationPermission | undefined> {
  try {
    return await Notification.requestPermission();
  } catch {
    return undefined;
  }
}

/** Shows a notification of the system. Answers whether this browser does that for a page. */
export function notify(title: string, options: NotificationOptions, onClick: () => void): boolean {
  try {
    const shown = new Notification(title, options);
    shown.onclick = () => {
      shown.close();
      onClick();
    };
    return true;
  } catch {
    // Phones offer it to service workers only.
    return false;
  }
}

/** Holds a lock among the tabs until the answer is called; `got` says when it is held. Without locks it is held at once. */
export function holdLock(name: string, got: () => void): () => void {
  let release = () => {};
  const held = new Promise<void>((resolve) => { release = resolve; });
  const end = new AbortController();
  try {
    navigator.locks.request(name, { signal: end.signal }, () => {
      got();
      return held;
    }).catch(() => { if (!end.signal.aborted) got(); });
  } catch {
    got();
  }
  return () => {
    end.abort();
    release();
  };
}
