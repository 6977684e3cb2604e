// Runs the project's tests: `main.mjs [--soak] [--keep] [stage …]`. Without names, all stages; with `--keep`, the table of
// seconds goes to docs/testing.md; with `--soak`, what takes long, with its figures. Logs are in target/test. See
// docs/testing.md.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { target } from './cargo.mjs';
import { endAll } from './process.mjs';
import { keep, kept, keepSoak, slowest, soakTable, stageTable } from './report.mjs';
import { schedule } from './schedule.mjs';
import { soaks } from './soak.mjs';
import { stages } from './stages.mjs';

const SLOWEST = 30;
const LAST_LINES = 60;

const root = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const document = join(root, 'docs/testing.md');
const logs = join(target(root), 'test');
const args = process.argv.slice(2);
const soaking = args.includes('--soak');
const every = soaking ? soaks() : stages(root);
const chosen = choose(args.filter((arg) => !arg.startsWith('--')));
rmSync(logs, { recursive: true, force: true });
mkdirSync(logs, { recursive: true });

/** What stages share: `made` are the programs and the database, once they are there. */
const context = { root, made: { programs: new Map() }, services: [] };
const began = performance.now();
const results = [];
const failures = [];
const flaky = [];

for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) {
  process.once(signal, () => {
    stopAll();
    process.exit(code);
  });
}

const logOf = (stage) => join(logs, `${stage.name.replace(/[^a-z0-9]+/gi, '-')}.log`);
// Figures are of one thing at a time.
await schedule(chosen, soaking ? 1 : 2, start, ended);
await repeat();
stopAll();
await report();
process.exit(failures.length > 0 ? 1 : 0);

/** Stages by name with all that they need; all, where none is named. */
function choose(names) {
  if (names.length === 0) return every;
  const found = new Set();
  const add = (name) => {
    const stage = every.find((one) => one.name === name);
    if (!stage) {
      console.error(`There is no stage "${name}". Stages: ${every.map((one) => one.name).join('; ')}.`);
      process.exit(2);
    }
    if (found.has(stage)) return;
    found.add(stage);
    (stage.after ?? []).forEach(add);
  };
  names.forEach(add);
  return every.filter((stage) => found.has(stage));
}

function start(stage) {
  say(`${stage.name} …`);
  return stage.run({ ...context, log: logOf(stage) });
}

function ended(stage, result) {
  const { seconds, cpu = 0, tests = [], error } = result;
  results.push({ name: stage.name, seconds, cpu, tests, error, stage });
  const failed = tests.filter((test) => !test.ok);
  if (error) {
    failures.push(stage.name);
    say(`${stage.name}: FAILED after ${seconds.toFixed(0)} s: ${error.message}`);
    console.log(lastLines(logOf(stage)));
  } else {
    say(`${stage.name}: ${seconds.toFixed(0)} s, ${tests.length} tests${failed.length > 0 ? `, ${failed.length} FAILED` : ''}`);
  }
  for (const test of failed) console.log(`--- ${stage.name}: ${test.name}\n${test.output}`);
  if (!stage.again) failures.push(...failed.map((test) => `${stage.name}: ${test.name}`));
}

/** Runs once more what failed and may have failed for another reason than itself, alone on the machine. */
async function repeat() {
  for (const { stage, tests } of results) {
    const failed = tests.filter((test) => !test.ok);
    if (failed.length === 0 || !stage.again) continue;
    say(`${stage.name}: ${failed.length} once more …`);
    const result = await stage.again({ ...context, log: logOf(stage) }, failed).catch((error) => ({ tests: [], error }));
    for (const test of failed) {
      const now = result.tests.filter((one) => one.name === test.name);
      const passed = now.length > 0 && now.every((one) => one.ok);
      (passed ? flaky : failures).push(`${stage.name}: ${test.name}`);
      for (const one of now) if (!one.ok) console.log(`--- ${stage.name}: ${one.name}, again\n${one.output}`);
    }
    if (result.error) console.log(result.error.message);
  }
}

async function report() {
  const whole = (performance.now() - began) / 1000;
  if (soaking) {
    const figures = results.map(({ stage, ...result }) => ({ ...result, log: readFileSync(logOf(stage), 'utf8') }));
    console.log(`\n${soakTable(figures)}\n`);
    if (chosen.length === every.length) await keepSoak(join(root, 'benches/results/soak.json'), figures);
  } else {
    const table = stageTable(results, whole, await kept(document));
    console.log(`\n${table}\n\nThe ${SLOWEST} slowest tests:\n\n${slowest(results, SLOWEST)}\n`);
  }
  if (flaky.length > 0) console.log(`FLAKY, failed and then passed; to be mended before the issue ends:\n  ${flaky.join('\n  ')}\n`);
  if (failures.length > 0) console.log(`FAILED:\n  ${failures.join('\n  ')}\n\nLogs are in ${logs}.`);
  else console.log(`All passed in ${Math.round(whole)} s.`);
  if (args.includes('--keep') && !soaking && failures.length === 0) await keep(document, [stageTable(results, whole), slowest(results, SLOWEST)]);
}

function stopAll() {
  endAll();
  for (const service of context.services) service.stop();
}

function say(text) {
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')}  ${text}`);
}

function lastLines(file) {
  try {
    return readFileSync(file, 'utf8').split('\n').slice(-LAST_LINES).join('\n');
  } catch {
    return '';
  }
}
