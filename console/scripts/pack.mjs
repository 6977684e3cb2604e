// Writes `<file>.gz` beside each file of dist that gets much smaller by it, for servers that send what is ready.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url);
const TEXT = new Set(['.html', '.js', '.css', '.json', '.svg']);

for (const name of readdirSync(dist, { recursive: true })) {
  if (!TEXT.has(extname(name))) continue;
  const plain = readFileSync(new URL(name, dist));
  const packed = gzipSync(plain, { level: 9 });
  if (packed.length < plain.length * 0.9) writeFileSync(new URL(`${name}.gz`, dist), packed);
}

// The folder is there in a fresh clone, too: the server's build watches it.
writeFileSync(new URL('.gitkeep', dist), '');
