// The client for pages without a bundler: one file, `<script src="fanfare.min.js">`, which makes the global `Fanfare`.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version, license } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const parts = ['index', 'chat/index', 'presence/index', 'stores', 'fixes'];

await build({
  stdin: { contents: parts.map((part) => `export * from './${part}.ts';`).join('\n'), resolveDir: `${root}src`, loader: 'ts', sourcefile: 'script.ts' },
  bundle: true,
  minify: true,
  format: 'iife',
  globalName: 'Fanfare',
  target: 'es2022',
  outfile: `${root}dist/fanfare.min.js`,
  sourcemap: true,
  sourcesContent: true,
  absWorkingDir: root,
  banner: { js: `/*! fanfare-client ${version}, ${license} */` },
});
