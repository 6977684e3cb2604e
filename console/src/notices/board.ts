// The organisation's notices: the newest, and those that one has not put away yet.
import type { Client, Events } from 'fanfare-client';
import { Emitter } from '../lib/emitter';

const KEPT = 50;
/** Shown at once. With more the oldest of what matters least goes. */
const SHOWN = 5;
/** A notice from before signing in that is older than this is history, not news. */
const NEWS = 15 * 60_000;

export type Priority = 'low' | 'medium' | 'high' | 'urgent';

const RANKS: readonly Priority[] = ['low', 'medium', 'high', 'urgent'];

export interface Notice {
  key: string;
  at: number;
  by: string;
  message: string;
  priority: Priority;
}

export class NoticeBoard {
  /** Newest first. Both are replaced at each change. */
  notices: readonly Notice[] = [];
  open: readonly Notice[] = [];
  #changes = new Emitter<void>();
  #off: () => void;

  onChange = this.#changes.on;

  /** `now`: the server's time. By this machine's clock a new notice might be an old one. */
  constructor(client: Client, private now: () => number = () => client.now()) {
    this.#off = client.on('system:broadcast', (entry) => this.#take(entry));
  }

  #take({ at, by, client_id, data }: Events['system:broadcast'][0]): void {
    // Not by its place in the log: after a restore others stand there, and those from before come again in another epoch.
    const notice: Notice = { key: `${by}/${client_id}/${at}`, at, by, message: data.message, priority: data.priority ?? 'medium' };
    if (this.notices.some(({ key }) => key === notice.key)) return;
    this.notices = [notice, ...this.notices].sort((a, b) => b.at - a.at).slice(0, KEPT);
    if (this.now() - at < NEWS) this.open = bounded([notice, ...this.open]);
    this.#changes.emit();
  }

  dismiss(key: string): void {
    this.open = this.open.filter((notice) => notice.key !== key);
    this.#changes.emit();
  }

  close(): void {
    this.#off();
  }
}

function bounded(open: readonly Notice[]): readonly Notice[] {
  if (open.length <= SHOWN) return open;
  const rank = ({ priority }: Notice) => RANKS.indexOf(priority);
  const least = open.reduce((one, other) => (rank(other) <= rank(one) ? other : one));
  return open.filter((notice) => notice !== least);
}
