// Test programs of cargo: built once, then run one by one, with the seconds of each test.
import { dirname, join } from 'node:path';
import { Failed, run } from './process.mjs';

/** What every use of cargo says: with other flags, everything would be compiled once more. */
export const FLAGS = ['--workspace', '--all-features', '--locked'];

/** libtest's options for a line of JSON for each test, with its seconds. They need RUSTC_BOOTSTRAP in its environment. */
export const OPTIONS = ['-Z', 'unstable-options', '--report-time', '--format', 'json'];

/**
 * Builds every test program and the server. `made.programs` says where each is: `package:target` (`fanfare:front`,
 * `fanfare:lib`) to `{ program, folder }`; `made.server` is the server.
 */
export async function build(context) {
  const { made } = context;
  const line = (text) => {
    if (!text.startsWith('{')) return;
    const artifact = JSON.parse(text);
    if (artifact.reason !== 'compiler-artifact' || !artifact.executable) return;
    const { name, kind } = artifact.target;
    const folder = dirname(artifact.manifest_path);
    const of = artifact.package_id.includes('#') ? packageName(artifact.package_id) : name;
    if (artifact.profile.test) {
      made.programs.set(`${of}:${kind.includes('lib') ? 'lib' : kind.includes('bin') ? 'bin' : name}`, {
        program: artifact.executable,
        folder,
      });
    } else if (kind.includes('bin') && name === 'fanfare') {
      made.server = artifact.executable;
    }
  };
  const command = ['cargo', 'test', ...FLAGS, '--no-run', '--message-format=json-render-diagnostics'];
  const { cpu } = await run(command, { cwd: context.root, log: context.log, line, limit: 2400 });
  return { cpu, tests: [] };
}

// `path+file:///…/proto#fanfare-proto@0.1.0`, or `…/fanfare#0.1.0` where the folder has the package's name.
function packageName(id) {
  const [path, rest] = id.split('#');
  return rest.includes('@') ? rest.split('@')[0] : path.split('/').at(-1);
}

/**
 * Runs a test program. `names` are libtest's filters, `skip` those left out; `exact` takes names as a whole;
 * `around` is a command that the program is given to.
 */
export async function program(context, key, { names = [], skip = [], exact = false, ignored = false, shown = false, threads, env, around = [], limit } = {}) {
  const found = context.made.programs.get(key);
  if (!found) throw new Failed(`there is no test program ${key}`);
  const options = [...OPTIONS];
  if (exact) options.push('--exact');
  if (ignored) options.push(ignored === 'only' ? '--ignored' : '--include-ignored');
  if (threads) options.push(`--test-threads=${threads}`);
  // What tests print that pass, too.
  if (shown) options.push('--show-output');
  for (const name of skip) options.push('--skip', name);
  const results = reader();
  const command = [...around, found.program, ...names, ...options];
  // Nothing is compiled here, so nothing but libtest sees it.
  const given = { ...env, RUSTC_BOOTSTRAP: '1', CARGO_MANIFEST_DIR: found.folder };
  return finish(results, run(command, { cwd: found.folder, env: given, log: context.log, line: (text) => results.line(text), limit }));
}

/** Reads libtest's JSON lines. */
export function reader() {
  const started = new Set();
  const tests = [];
  return {
    tests,
    started,
    skipped: false,
    line(text) {
      if (text.startsWith('SKIPPED')) this.skipped = true;
      if (!text.startsWith('{ "type": "test"')) return;
      let event;
      try {
        event = JSON.parse(text);
      } catch {
        return;
      }
      if (event.event === 'started') return started.add(event.name);
      if (event.event === 'timeout') return;
      started.delete(event.name);
      if (event.event === 'ignored') return;
      tests.push({ name: event.name, seconds: event.exec_time ?? 0, ok: event.event === 'ok', output: event.stdout ?? '' });
    },
  };
}

/** What came of it: failed tests are results, a program that ends otherwise is a failure that names who was running. */
export async function finish(results, ending) {
  const { tests, started } = results;
  try {
    const { cpu } = await ending;
    if (tests.length === 0 && !results.skipped) throw new Failed('no test ran');
    return { cpu, tests };
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    if (started.size === 0 && tests.some((test) => !test.ok)) return { cpu: 0, tests };
    for (const name of started) tests.push({ name, seconds: 0, ok: false, output: `${error.message} while it ran` });
    if (tests.every((test) => test.ok)) throw error;
    return { cpu: 0, tests };
  }
}

/** The folder of what is built. */
export function target(root) {
  return process.env.CARGO_TARGET_DIR ?? join(root, 'target');
}
