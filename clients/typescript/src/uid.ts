/** A new id: 128 random bits. (`crypto.randomUUID` is missing on pages that are not secure.) */
export function uid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
