// Finding by words, the same in every browser's language: a Turkish browser has other capitals for i.

/** A text without case, accents and forms: `İ`, `ı`, `I` and `i` are the same, as are `ß` and `SS`, `ſ` and `s`, `ς` and `σ`. */
export function folded(text: string): string {
  return text
    .normalize('NFKD')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[\u0300-\u036F]/g, '')
    .replaceAll('ς', 'σ');
}

/** Whether each word of `query` occurs in `text`. */
export function matches(text: string, query: string): boolean {
  const whole = folded(text);
  return folded(query).split(/\s+/).every((word) => whole.includes(word));
}
