/** A name that nothing else has. Also where the page is not encrypted, and `crypto.randomUUID` is missing. */
export const uid = (): string => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');
