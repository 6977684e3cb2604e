// Sizes of the entry points, minified and compressed. Fails where the core has grown above its budget.
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

// 12,000 until it learned to move away from a server that stops, 12,500 until to inflate and to lose rights, 12,700 until to
// tell losses from lateness, to send alarms ahead and to come back from what it cannot read.
const BUDGET = 12_850;
const ENTRIES = { core: 'src/index.ts', chat: 'src/chat/index.ts', presence: 'src/presence/index.ts', react: 'src/react/index.ts', store: 'src/stores.ts', fixes: 'src/fixes.ts' };

for (const [name, entry] of Object.entries(ENTRIES)) {
  const { outputFiles } = await build({
    entryPoints: [new URL(`../${entry}`, import.meta.url).pathname],
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
