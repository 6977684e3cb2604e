// A message's text in parts, so that addresses and mentions can be shown as such. Nothing is ever taken for markup.

export interface Part {
  kind: 'text' | 'link' | 'mention';
  text: string;
}

const FOUND = /https?:\/\/[^\s<>"']+|@[A-Za-z0-9_.|+=~:@-]+/g;

/** `members` are those whose mention counts. */
export function parts(text: string, members: ReadonlySet<string>): Part[] {
  const found: Part[] = [];
  let end = 0;
  const add = (kind: Part['kind'], part: string) => part && found.push({ kind, text: part });
  for (const match of text.matchAll(FOUND)) {
    // A full stop or bracket after an address or name belongs to the sentence.
    const whole = match[0].replace(/[.,:;!?)\]]+$/, '');
    const mention = whole.startsWith('@');
    if (mention && (!members.has(whole.slice(1)) || /\w/.test(text[match.index - 1] ?? ''))) continue;
    add('text', text.slice(end, match.index));
    add(mention ? 'mention' : 'link', whole);
    end = match.index + whole.length;
  }
  add('text', text.slice(end));
  return found;
}

/** The word with @ that is being typed before the cursor, without the @. */
export function mentioning(text: string, cursor: number): string | undefined {
  return text.slice(0, cursor).match(/(?:^|\s)@([A-Za-z0-9_.|+=~:@-]*)$/)?.[1];
}

/** Whether a text is nothing but a few emoji, which are shown large. */
export function emojiOnly(text: string): boolean {
  return text.length <= 24 && /^(\p{Extended_Pictographic}|\p{Emoji_Component}|\s)+$/u.test(text) && /\p{Extended_Pictographic}/u.test(text);
}
