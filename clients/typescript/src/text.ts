const encoder = new TextEncoder();

/**
 * Bytes of a text as the server counts them against `LIMITS`' `text_bytes`, `broadcast_bytes` and `status_text_bytes`:
 * UTF-8, with what JSON escapes counted as it is written there (a new line and a quotation mark are two).
 */
export function textBytes(text: string): number {
  let bytes = 0;
  for (const byte of encoder.encode(text)) {
    if (byte === 0x22 || byte === 0x5c) bytes += 2;
    else if (byte < 0x20) bytes += byte > 7 && byte < 14 && byte !== 11 ? 2 : 6;
    else bytes += 1;
  }
  return bytes;
}
