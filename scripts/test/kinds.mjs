// Kinds of stages. A stage: `name`; `after`, the stages that it needs; `background`, takes no slot; `slots`, how many it
// takes (1); `run(context)`, resolves to `{ cpu, tests }`; `again(context, tests)`, which runs failed tests once
// more when nothing else runs: only for what depends on a browser, a network or a database.
import { OPTIONS, finish, program, reader } from './cargo.mjs';
import { files } from './node.mjs';
import { run, service } from './process.mjs';

/** Tests that need networks of their own are left out. */
export const WITHOUT_NETWORK = process.env.FANFARE_SKIP_NETWORK === '1';

/** A stage that is one command, without tests of its own. */
export const command = (name, line, options = {}) => ({
  name,
  ...options,
  run: async (context) => ({ ...(await run(line, { cwd: context.root, log: context.log, limit: 2400, nice: options.background })), tests: [] }),
});

/** A stage of cargo's test programs. */
export const cargo = (name, programs, { after = [], again = false, ...options } = {}) => {
  const env = (context) => (options.cql ? { FANFARE_TEST_CQL: context.made.cql, ...options.env } : options.env);
  const all = async (context, more) => {
    const results = { cpu: 0, tests: [] };
    for (const key of programs) {
      const names = Array.isArray(options.names) ? options.names : options.names?.[key];
      const result = await program(context, key, { ...options, names, env: env(context), ...more(key) });
      results.cpu += result.cpu;
      results.tests.push(...result.tests.map((test) => ({ ...test, of: key })));
    }
    return results;
  };
  return {
    name,
    after: ['programs', ...after],
    run: (context) => all(context, () => ({})),
    again: again && (async (context, tests) => {
      const results = { cpu: 0, tests: [] };
      for (const key of new Set(tests.map((test) => test.of))) {
        const names = tests.filter((test) => test.of === key).map((test) => test.name);
        const more = { names, skip: [], exact: true, ignored: 'too', threads: 1, env: env(context) };
        const result = await program(context, key, { ...options, ...more });
        results.tests.push(...result.tests);
      }
      return results;
    }),
  };
};

/** A Cassandra that runs until the end; where one is named, the tests use that. */
export async function database({ root, log, made, services }) {
  if (process.env.FANFARE_TEST_CQL) {
    made.cql = process.env.FANFARE_TEST_CQL;
  } else {
    const line = 'echo "FANFARE_TEST_CQL=$FANFARE_TEST_CQL"; exec sleep infinity';
    const started = service(['tests/cassandra/with.sh', 'sh', '-c', line], { cwd: root, log });
    services.push(started);
    made.cql = (await started.line(/^FANFARE_TEST_CQL=(.*)$/, 420))[1];
  }
  return { cpu: 0, tests: [] };
}

/** Environment of tests that start the server and browsers. */
export const served = (context) => ({ FANFARE_BIN: context.made.server });

/** A stage of files of node:test that start browsers. */
export const browser = (name, names, options = {}) => ({
  name,
  after: ['programs', 'console', 'browser-packages'],
  run: (context) => files(context, 'tests/browser', names, { around: ['./run.sh'], env: served(context), ...options }),
  again: (context, tests) => files(context, 'tests/browser', [...new Set(tests.map((test) => test.file))], { around: ['./run.sh'], env: served(context), ...options }),
});

/** Tests whose outcome depends on the store, through the front door, on a database: a process has a keyspace. */
export const onCql = (name, names) =>
  cargo(name, ['fanfare:front'], {
    names, threads: 1, env: { FANFARE_TEST_STORE: 'scylla' }, cql: true, after: ['database'], again: true,
  });

/** Tests in network namespaces. */
export const network = (name, names) => {
  const tests = async (context, chosen) => {
    const results = reader();
    const env = { NETWORK_TEST_PROGRAM: context.made.programs.get('fanfare:network').program, NETWORK_TEST_OPTIONS: OPTIONS.join(' '), RUSTC_BOOTSTRAP: '1' };
    const options = { cwd: context.root, env, log: context.log, line: (text) => results.line(text), limit: 600 };
    if (WITHOUT_NETWORK) return { cpu: 0, tests: [] };
    return finish(results, run(['tests/network/run.sh', ...chosen], options));
  };
  return {
    name,
    after: ['programs'],
    run: (context) => tests(context, names),
    again: (context, failed) => tests(context, [...new Set(failed.map((test) => test.name.split('::')[0]))]),
  };
};
