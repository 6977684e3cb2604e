// What `make test` runs, in the order in which it begins; kinds.mjs says what a stage is.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { FLAGS, build } from './cargo.mjs';
import { WITHOUT_NETWORK, browser, cargo, command, database, network, onCql, served } from './kinds.mjs';
import { files, vitest } from './node.mjs';
import { run } from './process.mjs';

/** Tests that stop, kill or start databases of their own, and look at the time. */
const ALONE = {
  'fanfare:store': ['cql::reach::cql_with_tls_and_a_password', 'cql::faults::cql_the_only_node_is_stopped_and_killed'],
  'fanfare:front': ['load::database_outage::cql_a_database_that_goes_away_comes_back', 'load::database_outage::cql_a_database_that_comes_later_is_found'],
};

// Puppeteer's profile folders and the like are under the temporary folder: browsers of two stages do not meet.
const consoleFiles = (root) =>
  readdirSync(join(root, 'tests/browser/console')).filter((name) => name.endsWith('.test.mjs')).sort().map((name) => `console/${name}`);

/** Half of the files each, by turns. */
const half = (root, which) => consoleFiles(root).filter((_, index) => index % 2 === which);

export function stages(root) {
  return [
    command('prepare', ['scripts/prepare.sh']),
    { name: 'programs', run: build },
    command('console', ['make', '--no-print-directory', 'console']),
    command('browser-packages', ['make', '--no-print-directory', 'tests/browser/node_modules/.package-lock.json']),
    command('format', ['cargo', 'fmt', '--all', '--check']),
    command('deny', ['scripts/deny.sh']),
    // While others wait: compiling needs only the processor.
    command('lint', ['cargo', 'clippy', ...FLAGS, '--all-targets', '--', '-D', 'warnings'], { background: true, after: ['programs'] }),
    { name: 'database', after: ['prepare'], run: database },

    cargo('store', ['fanfare:store'], { cql: true, after: ['database'], again: true, limit: 1500 }),
    cargo('units', ['fanfare:lib', 'fanfare:bin', 'fanfare:config', 'fanfare:imports', 'fanfare-proto:lib', 'fanfare-proto:wire', 'fanfare-proto:allocation', 'fanfare-proto:typescript', 'fanfare-client:lib']),
    cargo('cli', ['fanfare:cli'], { again: true }),
    cargo('front', ['fanfare:front'], { again: true, threads: 4 }),
    command('documents', ['cargo', 'test', ...FLAGS, '--doc'], { after: ['lint'] }),
    onCql('front-cql-1', ['chat::', 'cql_', 'positions::window::', 'session::resume::', 'security::revocation::']),
    onCql('front-cql-2', ['positions::live::', 'presence::']),
    network('network', ['handshakes', 'chat', 'killed', 'moved']),

    { name: 'client', after: ['console'], run: async (context) => {
      const checks = { cpu: 0, tests: [] };
      for (const script of ['check', 'size']) {
        const { cpu } = await run(['npm', '--prefix', 'clients/typescript', 'run', script], { cwd: context.root, log: context.log });
        checks.cpu += cpu;
      }
      const { cpu, tests } = await vitest(context, 'clients/typescript');
      return { cpu: cpu + checks.cpu, tests };
    } },
    { name: 'console-units', after: ['console'], run: async (context) => {
      const { cpu } = await run(['npx', '--no-install', 'tsc'], { cwd: join(context.root, 'console'), log: context.log });
      const result = await vitest(context, 'console');
      return { ...result, cpu: result.cpu + cpu };
    } },
    (() => {
      const all = (context) => vitest(context, 'clients/typescript', { options: ['--config', 'vitest.integration.config.ts'], env: served(context) });
      return { name: 'client-server', after: ['programs', 'console'], run: all, again: all };
    })(),
    browser('browsers', ['packets.test.mjs', 'smoke.test.mjs']),
    browser('console-browsers-1', half(root, 0)),
    browser('console-browsers-2', half(root, 1)),
    (() => {
      const all = async (context) => WITHOUT_NETWORK ? { cpu: 0, tests: [] } : files(context, 'tests/browser', ['fallback.test.mjs'], { env: served(context), around: ['./run.sh', './fallback.sh'], options: ['--experimental-websocket'] });
      return { name: 'fallback', after: ['programs', 'console', 'browser-packages'], run: all, again: all };
    })(),
    // What stops and kills databases of its own looks at the time: nothing else runs.
    { ...cargo('failing-databases', Object.keys(ALONE), { cql: true, after: ['database', 'lint'], again: true, ignored: 'only', threads: 1, names: ALONE, exact: true }), slots: 2 },
  ];
}
