// A conversation that is being begun: from the button until the server has made it. What is sent meanwhile waits, also over
// a reload: with the ids under which it is sent, so that it is sent once however many tabs do.
import { FanfareError, type Client } from 'fanfare-client';
import type { Chat } from 'fanfare-client/chat';
import { uid } from '../lib/uid';
import { forConversation, type Drafts } from '../session/drafts';

export interface About {
  kind: 'private' | 'group';
  members: string[];
  title?: string;
}

interface Waiting {
  clientId: string;
  about: About;
  texts: { clientId: string; text: string }[];
}

const BEGUN = 'begun/';

export class Beginning {
  readonly made: Promise<string>;
  readonly about: About;
  id: string | undefined;
  #waiting: Waiting;

  constructor(private readonly client: Client, chat: Chat, private readonly drafts: Drafts, about: About, waiting: Waiting = { clientId: uid(), about, texts: [] }) {
    this.about = about;
    this.#waiting = waiting;
    this.made = this.#create(chat).then((id) => {
      this.id = id;
      for (const text of this.#waiting.texts) this.#send(id, text);
      return id;
    });
  }

  /** Sends a text once the conversation is there. */
  later(text: string): void {
    this.#waiting.texts.push({ clientId: uid(), text });
    this.#keep();
  }

  /** What waits, where it will never be made. Nothing waits after that. */
  giveUp(): string {
    const text = this.#waiting.texts.map((one) => one.text).join('\n');
    this.#waiting.texts = [];
    this.#keep();
    return text;
  }

  async #create(chat: Chat): Promise<string> {
    for (;;) {
      try {
        return await chat.create({ ...this.about, client_id: this.#waiting.clientId });
      } catch (error) {
        if (!(error instanceof FanfareError) || error.waits === undefined) throw error;
        // The client has ended, for want of a token perhaps. The request goes with its next connection, and so do we.
        await new Promise<void>((resolve) => {
          const off = this.client.on('state', ({ name }) => {
            if (name !== 'open') return;
            off();
            resolve();
          });
        });
      }
    }
  }

  #send(id: string, { clientId, text }: Waiting['texts'][number]): void {
    const sent = this.client.request('message:send', { conversation_id: id, text, client_id: clientId });
    sent.catch((error: unknown) => {
      // It stands in the outbox, and goes from there.
      if (error instanceof FanfareError && error.waits !== undefined) return;
      const draft = forConversation(id);
      this.drafts.set(draft, [this.drafts.get(draft), text].filter(Boolean).join('\n'));
    }).finally(() => {
      this.#waiting.texts = this.#waiting.texts.filter((one) => one.clientId !== clientId);
      this.#keep();
    });
  }

  #keep(): void {
    const { clientId, texts } = this.#waiting;
    this.drafts.set(BEGUN + clientId, texts.length > 0 ? JSON.stringify(this.#waiting) : '');
  }
}

/** Goes on with what a reload has interrupted. Answers what is under way. */
export function restoreBegun(client: Client, chat: Chat, drafts: Drafts): Beginning[] {
  return drafts.list(BEGUN).flatMap((key) => {
    let waiting: Waiting;
    try {
      waiting = JSON.parse(drafts.get(key)) as Waiting;
    } catch {
      drafts.set(key, '');
      return [];
    }
    return [new Beginning(client, chat, drafts, waiting.about, waiting)];
  });
}
