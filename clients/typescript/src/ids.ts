const MARK = '~~';
const PLAIN = /[A-Za-z0-9._\-@+|:]/;

/**
 * The name that the server made an id of, for people to read: `~~Zo=C3=AB=207` is `Zoë 7`. Other ids are their own
 * names. An escaped id is `~~` and the name's UTF-8 bytes, with `=` and two digits for each that ids have no room for.
 */
export function readableId(id: string): string {
  if (!id.startsWith(MARK)) return id;
  const bytes: number[] = [];
  let escaped = false;
  for (let i = MARK.length; i < id.length; i++) {
    const char = id.charAt(i);
    if (char !== '=') {
      if (!PLAIN.test(char)) return id;
      bytes.push(char.charCodeAt(0));
      continue;
    }
    const digits = id.slice(i + 1, i + 3);
    const byte = parseInt(digits, 16);
    // Only the one form that the server writes: otherwise two ids would be shown as the same name.
    if (!/^[0-9A-F]{2}$/.test(digits) || PLAIN.test(String.fromCharCode(byte))) return id;
    bytes.push(byte);
    escaped = true;
    i += 2;
  }
  if (!escaped) return id;
  try {
    const name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
    return /^[A-Za-z0-9._\-@+|:=~]*$/.test(name) && !name.startsWith(MARK) ? id : name;
  } catch {
    return id;
  }
}
