// A conversation that is being begun: from the button until the server has made it. What is sent meanwhile waits.
import type { Chat } from 'fanfare-client/chat';

export interface About {
  kind: 'private' | 'group';
  members: string[];
  title?: string;
}

export class Beginning {
  readonly made: Promise<string>;
  id: string | undefined;
  #waiting: string[] = [];

  constructor(chat: Chat, readonly about: About) {
    this.made = chat.create(about).then((id) => {
      this.id = id;
      for (const text of this.#waiting) chat.send(id, text).catch(() => {});
      this.#waiting = [];
      return id;
    });
  }

  /** Sends a text once the conversation is there. */
  later(text: string): void {
    this.#waiting.push(text);
  }

  /** What waits, where it will never be made. */
  get unsent(): string {
    return this.#waiting.join('\n');
  }
}
