// When to say that a token is about to end. Rules only.

/** Said first, and once more. */
const FIRST = 5 * 60_000;
const LAST = 60_000;

/** What is to be said with so much time left: nothing, that it ends soon, or that it ends now. */
export function warning(left: number): 'soon' | 'now' | undefined {
  if (left <= 0 || left > FIRST) return undefined;
  return left <= LAST ? 'now' : 'soon';
}
