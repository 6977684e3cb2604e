// What a user has typed but not sent: kept over reloads, each text under a key of its own, so that tabs do not overwrite
// each other's. Nobody else's are read, and signing out removes them.
import { FOLDER, forBrowser, unkept, type Kept } from '../lib/storage';

const OLD = 30 * 86_400_000;

export const forConversation = (id: string): string => `chat/${id}`;
export const FOR_NOTICE = 'notice';
/** Before the name of a request: the first message of the conversation that it makes. */
export const FIRST = 'first/';

/** One text of those that there are. */
export const joined = (...texts: string[]): string => texts.filter(Boolean).join('\n');

export class Drafts {
  #prefix = '';
  /** In memory until it is known whose they are. */
  #at = unkept();

  constructor(private readonly kept: Kept = forBrowser, private readonly now: () => number = Date.now) {}

  /** They are this user's. */
  belong(owner: string): void {
    const before = this.list('').map((what) => [what, this.get(what)] as const);
    this.#at = this.kept;
    this.#prefix = `fanfare-console:draft:${FOLDER}:${encodeURIComponent(owner)}:`;
    for (const key of this.#keys()) {
      const at = Number(this.#at.get(key)?.split('\n', 1)[0]);
      if (!(this.now() - at < OLD)) this.#at.delete(key);
    }
    for (const [what, text] of before) this.set(what, text);
  }

  get(what: string): string {
    const value = this.#at.get(this.#prefix + what) ?? '';
    return value.slice(value.indexOf('\n') + 1);
  }

  set(what: string, text: string): void {
    if (text) this.#at.set(this.#prefix + what, `${this.now()}\n${text}`);
    else this.#at.delete(this.#prefix + what);
  }

  move(from: string, to: string): void {
    const text = this.get(from);
    this.set(from, '');
    if (text) this.set(to, joined(this.get(to), text));
  }

  /** What there is that begins so. */
  list(begin: string): string[] {
    return this.#keys().map((key) => key.slice(this.#prefix.length)).filter((what) => what.startsWith(begin));
  }

  clear(): void {
    for (const key of this.#keys()) this.#at.delete(key);
  }

  #keys(): string[] {
    return this.#at.keys().filter((key) => key.startsWith(this.#prefix));
  }
}
