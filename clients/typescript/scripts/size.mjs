// Sizes of the entry points, minified and compressed. Fails where the core has grown above its budget.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

// What an application takes that uses `Client`. 12,850 until it learned, from faults that were found from outside, to keep to
// the address that it was given (1,250), the server's time and limits that a blocked thread does not use up (700), and to say
// why it does not connect. 14,900 until it learned to tell what waits from what has failed, to say that fixes are refused, and
// to take hosts as people write them (250), and was cut into parts that can be read (150).
const BUDGET = 15_300;
const ENTRIES = { core: 'src/client.ts', chat: 'src/chat/index.ts', presence: 'src/presence/index.ts', react: 'src/react/index.ts', store: 'src/stores.ts', fixes: 'src/fixes.ts' };

for (const [name, entry] of Object.entries(ENTRIES)) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../${entry}`, import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    external: ['react', ...(name === 'core' ? [] : ['../index.ts', '../chat/index.ts', '../presence/index.ts', '../uid.ts'])],
  });
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  console.log(`${name.padEnd(6)} ${outputFiles[0].contents.length} bytes minified, ${size} compressed`);
  if (name === 'core' && size > BUDGET) {
    console.error(`The core is ${size - BUDGET} bytes above its budget of ${BUDGET}.`);
    process.exitCode = 1;
  }
}
