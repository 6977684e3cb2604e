// One token for all tabs of a browser, as long as one of them lives: it is kept by each tab, and never on the disk for all.
// A tab without one asks the others; one of the same user that ends later replaces theirs; signing out ends them all.
import { channel, FOLDER } from '../lib/storage';

/** How long a new tab waits for an answer of the others. */
const PATIENCE = 300;

type Message =
  | { kind: 'ask' }
  /** `newer`: it replaces what the others have. Otherwise it answers a tab that has none. */
  | ({ kind: 'token'; newer: boolean } & Good)
  | { kind: 'left'; owner: string };

/** A token that the server has taken: whose it is, and when it ends, as the server says. */
export interface Good {
  token: string;
  owner: string;
  expires: number;
}

export interface Tab {
  /** The token in use, if one is signed in. */
  token: () => string | undefined;
  /** The one that the server has taken: others get no other one. */
  good: () => Good | undefined;
  take: (token: string) => void;
  leave: () => void;
}

export class Tabs {
  readonly #channel;
  #tab: Tab | undefined;

  constructor(open: typeof channel = channel) {
    this.#channel = open(`fanfare-console:session:${FOLDER}`, (message) => this.#heard(message as Message));
  }

  /** What the other tabs use; undefined if they do not answer in time. */
  ask(patience = PATIENCE): Promise<string | undefined> {
    return new Promise((resolve) => {
      const end = (token?: string) => {
        clearTimeout(timer);
        detach();
        resolve(token);
      };
      const timer = setTimeout(end, patience);
      const detach = this.attach({ token: () => undefined, good: () => undefined, take: end, leave() {} });
      this.look();
    });
  }

  /** Asks the others for theirs, which comes by `take`. */
  look(): void {
    this.#send({ kind: 'ask' });
  }

  /** Speaks for this tab from now on. Answers how to stop. */
  attach(tab: Tab): () => void {
    this.#tab = tab;
    return () => { if (this.#tab === tab) this.#tab = undefined; };
  }

  /** The server has taken a newer token in this tab. */
  renewed(good: Good): void {
    this.#send({ kind: 'token', ...good, newer: true });
  }

  /** This tab signs out: so do those of the same user. */
  left(owner: string): void {
    this.#send({ kind: 'left', owner });
  }

  #send(message: Message): void {
    this.#channel.send(message);
  }

  #heard(message: Message): void {
    const mine = this.#tab?.token();
    const good = this.#tab?.good();
    switch (message?.kind) {
      case 'ask':
        if (good) this.#send({ kind: 'token', ...good, newer: false });
        return;
      case 'token':
        if (typeof message.token !== 'string' || message.token === mine) return;
        if (mine === undefined || (message.newer && message.owner === good?.owner && message.expires > good.expires)) this.#tab?.take(message.token);
        return;
      case 'left':
        if (good?.owner === message.owner) this.#tab?.leave();
    }
  }
}
