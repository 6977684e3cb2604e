// Who is meant by what is typed into a field for people: ids, or names as people read them.
import { named } from '../lib/plain';
import { folded } from '../lib/search';

const ID = /^[A-Za-z0-9_.@+|=~:-]{1,128}$/;

/**
 * The ids in a text. `known` are people that the page has met: their names may be typed instead of their ids, with spaces
 * where the name has some. Answers the part that is neither.
 */
export function idsIn(text: string, known: readonly string[]): { ids: string[] } | { wrong: string } {
  const byName = new Map<string, string | undefined>();
  for (const id of new Set(known)) {
    const name = folded(named(id));
    // Of several who are written alike none is meant: their ids tell them apart.
    byName.set(name, byName.has(name) ? undefined : id);
  }
  const ids: string[] = [];
  for (const part of text.split(/[,;\n]+/)) {
    const whole = part.trim();
    if (whole === '') continue;
    const match = byName.get(folded(whole));
    if (match !== undefined) {
      ids.push(ID.test(whole) ? whole : match);
      continue;
    }
    for (const word of whole.split(/\s+/)) {
      if (!ID.test(word)) return { wrong: word };
      ids.push(word);
    }
  }
  return { ids: [...new Set(ids)] };
}
