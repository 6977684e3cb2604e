// A conversation that is being begun: from the button until the server has made it. What is sent meanwhile waits, also over
// a reload: with the ids under which it is sent, so that it is sent once however many tabs do.
import { FanfareError, type Client } from 'fanfare-client';
import type { Chat } from 'fanfare-client/chat';
import { Emitter } from '../lib/emitter';
import { uid } from '../lib/uid';
import { FIRST, forConversation, joined, type Drafts } from '../session/drafts';

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
const REFUSED = 'refused/';

export class Beginning {
  readonly made: Promise<string>;
  readonly about: About;
  /** Under which its first message is a draft. */
  readonly draft: string;
  id: string | undefined;
  /** Fields in which its first message is being written. */
  #fields = 0;
  #waiting: Waiting;

  constructor(private readonly client: Client, chat: Chat, private readonly drafts: Drafts, about: About, waiting: Waiting = { clientId: uid(), about, texts: [] }) {
    this.about = about;
    this.#waiting = waiting;
    this.draft = FIRST + waiting.clientId;
    this.made = this.#create(chat).then((id) => {
      this.id = id;
      this.#settle();
      for (const text of this.#waiting.texts) this.#send(id, text);
      return id;
    });
  }

  /** The name of the request. */
  get key(): string {
    return this.#waiting.clientId;
  }

  /** Its first message is being written, until the answer is called. A field moves its draft itself. */
  write(): () => void {
    this.#fields += 1;
    return () => {
      this.#fields -= 1;
      this.#settle();
    };
  }

  #settle(): void {
    if (this.id !== undefined && this.#fields === 0) this.drafts.move(this.draft, forConversation(this.id));
  }

  /** Sends a text once the conversation is there. */
  later(text: string): void {
    this.#waiting.texts.push({ clientId: uid(), text });
    this.#keep();
  }

  /** What was written, sent or not, where it will never be made. Nothing is left after that. */
  giveUp(): string {
    const text = joined(...this.#waiting.texts.map((one) => one.text), this.drafts.get(this.draft));
    this.#waiting.texts = [];
    this.#keep();
    this.drafts.set(this.draft, '');
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
      this.drafts.set(draft, joined(this.drafts.get(draft), text));
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

/** One that the server has refused, with what was written for it. */
export interface Refused {
  key: string;
  about: About;
  error: string;
  text: string;
}

/** All that are being begun, and those that failed: these wait, over a reload too, until somebody has seen why. */
export class Begun {
  /** Oldest first. Replaced at each change. */
  refused: readonly Refused[] = [];
  #changes = new Emitter<void>();
  readonly onChange = this.#changes.on;

  constructor(private readonly drafts: Drafts) {}

  /** `text`: what was written for it before. */
  begin(client: Client, chat: Chat, about: About, text = ''): Beginning {
    const beginning = new Beginning(client, chat, this.drafts, about);
    this.drafts.set(beginning.draft, text);
    this.#follow(beginning);
    return beginning;
  }

  /** Goes on with what a reload has interrupted. */
  restore(client: Client, chat: Chat): Promise<string>[] {
    this.refused = this.#kept<Refused>(REFUSED);
    this.#changes.emit();
    return this.#kept<Waiting>(BEGUN).map((waiting) => {
      const beginning = new Beginning(client, chat, this.drafts, waiting.about, waiting);
      this.#follow(beginning);
      return beginning.made;
    });
  }

  /** It was seen. */
  putAway(key: string): void {
    this.drafts.set(REFUSED + key, '');
    this.refused = this.refused.filter((one) => one.key !== key);
    this.#changes.emit();
  }

  #follow(beginning: Beginning): void {
    beginning.made.catch((failure: unknown) => {
      const error = failure instanceof Error ? failure.message : String(failure);
      const one = { key: beginning.key, about: beginning.about, error, text: beginning.giveUp() };
      this.drafts.set(REFUSED + one.key, JSON.stringify(one));
      this.refused = [...this.refused, one];
      this.#changes.emit();
    });
  }

  #kept<T>(begin: string): T[] {
    return this.drafts.list(begin).flatMap((key) => {
      try {
        return [JSON.parse(this.drafts.get(key)) as T];
      } catch {
        this.drafts.set(key, '');
        return [];
      }
    });
  }
}
