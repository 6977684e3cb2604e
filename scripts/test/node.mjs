// Tests of Node: files of node:test one by one, and vitest, with the seconds of each test.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failed, run } from './process.mjs';

/** Runs files of node:test, one after another. `around` is a command that Node is given to. */
export async function files(context, folder, names, { around = [], env, limit = 600, options = [] } = {}) {
  const all = { cpu: 0, tests: [] };
  const reporter = join(context.root, 'scripts/test/reporter.mjs');
  for (const name of names) {
    const tests = [];
    let failure;
    const line = (text) => {
      if (text.startsWith('{"test":')) tests.push(JSON.parse(text).test);
    };
    const command = [...around, 'node', ...options, '--test', `--test-reporter=${reporter}`, name];
    try {
      const { cpu } = await run(command, { cwd: join(context.root, folder), env, log: context.log, line, limit });
      all.cpu += cpu;
    } catch (error) {
      if (!(error instanceof Failed)) throw error;
      failure = error;
    }
    if (!failure && tests.length === 0) failure = new Failed('no test ran');
    if (failure && tests.every((test) => test.ok)) {
      tests.push({ name: 'the file', seconds: 0, ok: false, output: failure.message });
    }
    all.tests.push(...tests.map((test) => ({ ...test, name: `${name} › ${test.name}`, file: name })));
  }
  return all;
}

/** Runs vitest in a folder. */
export async function vitest(context, folder, { options = [], env, limit = 600 } = {}) {
  const json = `${context.log}.json`;
  const command = ['npx', '--no-install', 'vitest', 'run', ...options, '--reporter=default', '--reporter=json', `--outputFile.json=${json}`];
  let cpu = 0;
  let failure;
  try {
    ({ cpu } = await run(command, { cwd: join(context.root, folder), env, log: context.log, limit }));
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    failure = error;
  }
  const report = JSON.parse(await readFile(json, 'utf8').catch(() => '{"testResults":[]}'));
  await rm(json, { force: true });
  const tests = report.testResults.flatMap((file) =>
    file.assertionResults
      .filter((test) => test.status === 'passed' || test.status === 'failed')
      .map((test) => ({
        name: test.fullName,
        seconds: (test.duration ?? 0) / 1000,
        ok: test.status === 'passed',
        output: test.failureMessages?.join('\n') ?? '',
      })),
  );
  if (failure && tests.every((test) => test.ok)) throw failure;
  if (tests.length === 0) throw new Failed('no test ran');
  return { cpu, tests };
}
