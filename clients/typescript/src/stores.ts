// Stores that outlive a page. An entry point of their own: who keeps nothing loads nothing of them.
import type { KeyValue } from './store.ts';

export type { KeyValue } from './store.ts';

/** In `localStorage`. Small and simple; holds some 5 MB for the whole origin. */
export function localStore(prefix = 'fanfare'): KeyValue {
  const name = (key: string) => `${prefix}:${key}`;
  return {
    name: prefix,
    get: async (key) => {
      const text = localStorage.getItem(name(key));
      return text === null ? undefined : JSON.parse(text);
    },
    set: async (key, value) => localStorage.setItem(name(key), JSON.stringify(value)),
    delete: async (key) => localStorage.removeItem(name(key)),
  };
}

/** In IndexedDB: with it a reload loses nothing. */
export function indexedStore(name = 'fanfare'): KeyValue {
  let opened: Promise<IDBDatabase> | undefined;

  const open = () =>
    (opened ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore('kept');
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        // Another tab wants to change or delete the database, or the browser has closed it; the next use opens it again.
        request.result.onversionchange = request.result.onclose = () => {
          request.result.close();
          opened = undefined;
        };
        resolve(request.result);
      };
    }).catch((error: unknown) => {
      opened = undefined;
      throw error;
    }));

  const use = async <T>(mode: IDBTransactionMode, work: (kept: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const begin = async () => (await open()).transaction('kept', mode);
    const transaction = await begin().catch((error: Error) => {
      if (error.name !== 'InvalidStateError') throw error;
      // Closed without a word.
      opened = undefined;
      return begin();
    });
    return new Promise((resolve, reject) => {
      const request = work(transaction.objectStore('kept'));
      // At once: a page that is left does not live to commit by itself.
      if (mode === 'readwrite') transaction.commit?.();
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  };

  return {
    name,
    get: (key) => use('readonly', (kept): IDBRequest<unknown> => kept.get(key)),
    set: async (key, value) => void (await use('readwrite', (kept) => kept.put(value, key))),
    delete: (key) => use('readwrite', (kept) => kept.delete(key)),
  };
}
