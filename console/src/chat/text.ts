// A message's text in parts, so that addresses and mentions can be shown as such. Nothing is ever taken for markup.
import { folded } from '../lib/search';
import { boundary } from '../lib/plain';

export interface Part {
  kind: 'text' | 'link' | 'mention';
  text: string;
  /** Where a link leads: always the whole address, however much of it is shown. */
  href?: string;
}

// No address goes on through white space, what would turn its direction, or quotation marks.
const FOUND = /https?:\/\/[^\s<>"'`\u200E\u200F\u061C\u202A-\u202E\u2066-\u2069]+|@[A-Za-z0-9_.|+=~:@-]+/gi;
/** What ends a sentence rather than an address. */
const AFTER = /[.,:;!?…。、，！？]$/u;
const BRACKETS: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

/** Without the punctuation that belongs to the sentence around it; brackets that were opened within stay. */
export function trimmed(address: string): string {
  let end = address;
  for (;;) {
    const last = end.at(-1) ?? '';
    const open = BRACKETS[last];
    const surplus = open !== undefined && count(end, last) > count(end, open);
    if (!surplus && !AFTER.test(end)) return end;
    end = end.slice(0, -1);
  }
}

const count = (text: string, char: string): number => text.split(char).length - 1;

/** Where an address leads; undefined if it is none, or names a user, which looks like another host. */
function target(address: string): string | undefined {
  try {
    const { href, hostname, username, password } = new URL(address);
    return hostname && !username && !password ? href : undefined;
  } catch {
    return undefined;
  }
}

/** `members` are those whose mention counts. */
export function parts(text: string, members: ReadonlySet<string>): Part[] {
  const found: Part[] = [];
  let end = 0;
  const add = (part: Part) => part.text && found.push(part);
  for (const match of text.matchAll(FOUND)) {
    if (match[0].startsWith('@')) {
      const name = match[0].replace(/[.,:;!?)\]]+$/, '');
      if (!members.has(name.slice(1)) || /\w/.test(text[match.index - 1] ?? '')) continue;
      add({ kind: 'text', text: text.slice(end, match.index) });
      add({ kind: 'mention', text: name });
      end = match.index + name.length;
      continue;
    }
    const address = trimmed(match[0]);
    const href = target(address);
    if (href === undefined) continue;
    add({ kind: 'text', text: text.slice(end, match.index) });
    add({ kind: 'link', text: address, href });
    end = match.index + address.length;
  }
  add({ kind: 'text', text: text.slice(end) });
  return found;
}

/** The first `most` characters or so: no half characters, and of a link all or nothing, unless it is longer by itself. */
export function cut(all: readonly Part[], most: number): Part[] {
  const shown: Part[] = [];
  let left = most;
  for (const part of all) {
    if (part.text.length <= left) {
      shown.push(part);
      left -= part.text.length;
      continue;
    }
    // A part of an address would read as another address.
    if (part.kind === 'text') shown.push({ ...part, text: part.text.slice(0, boundary(part.text, left)) });
    else if (shown.length === 0) {
      const host = (part.href ?? '').split('/', 3).join('/').length + 1;
      shown.push({ ...part, text: `${part.text.slice(0, boundary(part.text, Math.max(left, host)))}…` });
    }
    break;
  }
  return shown.filter(({ text }) => text !== '');
}

/** The word with @ that is being typed before the cursor, without the @. */
export function mentioning(text: string, cursor: number): string | undefined {
  return text.slice(0, cursor).match(/(?:^|\s)@([A-Za-z0-9_.|+=~:@-]*)$/)?.[1];
}

/** Members whose id or name begins with what is typed. */
export function mentionable(members: readonly string[], word: string, name: (id: string) => string): string[] {
  const start = folded(word);
  return members.filter((member) => member !== word && [member, name(member)].some((text) => folded(text).startsWith(start)));
}

/** Whether a text is nothing but a few emoji, which are shown large. */
export function emojiOnly(text: string): boolean {
  return text.length <= 24 && /^(\p{Extended_Pictographic}|\p{Emoji_Component}|\s)+$/u.test(text) && /\p{Extended_Pictographic}/u.test(text);
}
