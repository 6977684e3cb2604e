// npm runs this where the package is installed from a checkout, packed, or its own packages are installed. It builds `dist`
// if that is missing or older than its sources, and fetches the compiler first if a plain checkout has none.
import { execSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const newest = (dir) =>
  readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((time, { parentPath, path, name }) => Math.max(time, statSync(`${parentPath ?? path}/${name}`).mtimeMs), 0);
const built = (name) => (existsSync(`${root}dist/${name}`) ? statSync(`${root}dist/${name}`).mtimeMs : 0);

const run = (command) => execSync(command, { cwd: root, stdio: ['ignore', 2, 2], env });
// The settings of the npm that runs this are those of another folder.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_config_(global|prefix|local_prefix|omit|include|install_links|save|dry_run|workspaces?)/i.test(name)));

const sources = Math.max(newest(`${root}src`), newest(`${root}scripts`), statSync(`${root}package.json`).mtimeMs);
if (Math.min(built('react/index.js'), built('fanfare.min.js')) < sources) {
  const compilers = ['typescript', 'esbuild'].every((name) => existsSync(`${root}node_modules/${name}/package.json`));
  if (!compilers) run('npm ci --ignore-scripts --no-audit --no-fund');
  run('npm run build');
}
