// Tables of what a run took, and the difference to the one that docs/testing.md keeps.
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';

const BEGIN = '<!-- stages: written by `make times` -->';
const END = '<!-- end of stages -->';

/** A table of stages: `results` are `{ name, seconds, cpu, tests }`. */
export function stageTable(results, whole, before = new Map()) {
  const rows = results.map(({ name, seconds, cpu, tests }) => [name, tests.length || '', seconds.toFixed(0), (cpu ?? 0).toFixed(0), change(before.get(name), seconds)]);
  const tests = results.reduce((sum, result) => sum + result.tests.length, 0);
  const cpu = results.reduce((sum, result) => sum + (result.cpu ?? 0), 0);
  rows.push(['**all, side by side**', tests, whole.toFixed(0), cpu.toFixed(0), change(before.get('**all, side by side**'), whole)]);
  const head = ['stage', 'tests', 'seconds', 'of processor time'];
  return before.size > 0 ? table([...head, 'kept: seconds'], rows) : table(head, rows.map((row) => row.slice(0, 4)));
}

/** The `count` slowest tests. */
export function slowest(results, count) {
  const all = results.flatMap(({ name, tests }) => tests.map((test) => ({ ...test, stage: name })));
  all.sort((a, b) => b.seconds - a.seconds);
  return table(['seconds', 'stage', 'test'], all.slice(0, count).map((test) => [test.seconds.toFixed(1), test.stage, test.name]));
}

function change(before, now) {
  if (before === undefined) return 'new';
  const by = Math.round(now - before);
  return `${before} (${by > 0 ? '+' : ''}${by})`;
}

function table(head, rows) {
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(cells[0]), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...cells.slice(1).map(line)].join('\n');
}

/** Seconds by stage, as the document keeps them. */
export async function kept(file) {
  const text = await readFile(file, 'utf8').catch(() => '');
  const found = new Map();
  for (const row of between(text).split('\n')) {
    const cells = row.split('|').map((cell) => cell.trim());
    if (/^\d+$/.test(cells[3] ?? '')) found.set(cells[1], Number(cells[3]));
  }
  return found;
}

/** Puts tables into the document, between its two marks. */
export async function keep(file, tables) {
  const text = await readFile(file, 'utf8');
  await writeFile(file, text.replace(between(text), `\n\n${tables.join('\n\n')}\n\n`));
}

function between(text) {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  return begin < 0 || end < 0 ? '' : text.slice(begin + BEGIN.length, end);
}

/** Lines that tests print for this table: `figure: …`, and what a fuzz target came to. */
function figuresOf({ log, tests }) {
  const printed = [log, ...tests.map((test) => test.output)].join('\n');
  const lines = printed.split('\n').map((line) => /^(?:# )?(?:figure: (.*)|(fuzz \w+: .*))$/.exec(line));
  return [...new Set(lines.filter(Boolean).map((found) => (found[1] ?? found[2]).trim()))];
}

const passed = ({ error, tests }) => !error && tests.every((test) => test.ok);

/** A soak's figures: `results` are `{ name, seconds, tests, error, log }`. */
export function soakTable(results) {
  const rows = results
    .filter((result) => result.tests.length > 0 || figuresOf(result).length > 0 || !passed(result))
    .flatMap((result) => {
      const figures = figuresOf(result);
      const first = [result.name, passed(result) ? 'pass' : 'FAIL', result.seconds.toFixed(0), figures[0] ?? ''];
      return [first, ...figures.slice(1).map((figure) => ['', '', '', figure])];
    });
  return table(['soak', '', 'seconds', 'figures'], rows);
}

/** The same as JSON, with the commit and the machine. */
export async function keepSoak(file, results) {
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: dirname(dirname(dirname(file))), encoding: 'utf8' }).trim();
  const soak = {
    at: new Date().toISOString(),
    commit,
    machine: { processor: cpus()[0].model, cores: cpus().length, memory_bytes: totalmem() },
    soaks: results.map((result) => ({
      name: result.name,
      passed: passed(result),
      seconds: Math.round(result.seconds),
      tests: result.tests.map(({ name, ok, seconds }) => ({ name, passed: ok, seconds })),
      figures: figuresOf(result),
    })),
  };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(soak, null, 2)}\n`);
}
