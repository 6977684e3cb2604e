// Runs a program: its output goes to a log, its lines to who reads them, its time and its processor time are measured.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** A program failed, or took longer than it may. */
export class Failed extends Error {}

const running = new Set();

/** Ends every program that runs, with all that it started. */
export function endAll() {
  for (const child of running) end(child);
}

function end(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

// Bash measures: Node does not say what the processes of a child have used.
const MEASURED = 'TIMEFORMAT="%U %S"; exec 3>&2; { time "$@" 2>&3 3>&-; } 2>"$TIMES"';

/**
 * Runs `command` (a program and its arguments) to its end.
 * Options: `cwd`, `env` (added to ours), `log` (file), `line` (called with each line of standard output),
 * `limit` (seconds, after which it is killed), `nice` (leaves the processor to others).
 * Resolves to `{ cpu }` in seconds; rejects with `Failed`.
 */
export async function run(command, { cwd, env = {}, log, line, limit = 900, nice = false }) {
  const times = `${log}.times`;
  const prefix = nice ? ['nice', '-n', '19'] : [];
  const child = spawn('bash', ['-c', MEASURED, 'run', ...prefix, ...command], {
    cwd,
    env: { ...process.env, ...env, TIMES: times },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that it can be ended with all that it started.
    detached: true,
  });
  running.add(child);
  const written = createWriteStream(log, { flags: 'a' });
  child.stderr.pipe(written, { end: false });
  child.stdout.pipe(written, { end: false });
  if (line) createInterface({ input: child.stdout }).on('line', line);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end(child);
  }, limit * 1000);
  const [code, signal] = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...how) => resolve(how));
  });
  clearTimeout(timer);
  running.delete(child);
  await new Promise((resolve) => written.end(resolve));
  if (late) throw new Failed(`not finished after ${limit} s`);
  if (code !== 0) throw new Failed(signal ? `ended by ${signal}` : `exit code ${code}`);
  return { cpu: await seconds(times) };
}

async function seconds(file) {
  const text = await readFile(file, 'utf8');
  await rm(file);
  return text.trim().split(/\s+/).slice(-2).reduce((sum, part) => sum + Number(part), 0);
}

/**
 * Starts a program that runs beside the tests. `line` waits for a line of its output, `stop` ends it by SIGTERM, so that
 * it can clean up.
 */
export function service(command, { cwd, log }) {
  const [program, ...args] = command;
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const written = createWriteStream(log, { flags: 'a' });
  child.stdout.pipe(written);
  child.stderr.pipe(written, { end: false });
  const lines = createInterface({ input: child.stdout });
  return {
    line: (pattern, limit) =>
      new Promise((resolve, reject) => {
        const fail = (why) => reject(new Failed(`${why}: ${command.join(' ')}`));
        const timer = setTimeout(() => fail(`no sign of life within ${limit} s`), limit * 1000);
        lines.on('line', (text) => {
          const found = pattern.exec(text);
          if (!found) return;
          clearTimeout(timer);
          resolve(found);
        });
        child.once('exit', () => fail('it ended'));
        child.once('error', fail);
      }),
    stop() {
      try {
        process.kill(-child.pid, 'SIGTERM');
      } catch {
        // It has ended by itself.
      }
    },
  };
}
