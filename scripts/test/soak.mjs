// What `make soak` runs, one stage after another: what takes long, loads the machine or gives figures.
import { build } from './cargo.mjs';
import { browser, cargo, command, database, network } from './kinds.mjs';

/** Tests of a program that are not in `make test`, with what they print. */
const soak = (name, program, names, { env = {}, cql = false, limit = 1800 } = {}) => ({
  ...cargo(name, [program], { names, exact: true, ignored: 'too', threads: 1, shown: true, env, cql, after: cql ? ['database'] : [], limit }),
});

export function soaks() {
  return [
    command('prepare', ['scripts/prepare.sh']),
    { name: 'programs', run: build },
    command('console', ['make', '--no-print-directory', 'console']),
    command('browser-packages', ['make', '--no-print-directory', 'tests/browser/node_modules/.package-lock.json']),
    { name: 'database', after: ['prepare'], run: database },
    soak('attacks', 'fanfare:front', ['security::attacks::attacks_cost_little_and_keep_nobody_out']),
    soak('leaks', 'fanfare:front', ['session::transport::connections_leave_nothing_behind_on_webtransport', 'session::transport::connections_leave_nothing_behind_on_websocket']),
    soak('herd', 'fanfare:front', ['load::herd::a_herd_that_returns_after_a_kill_9_is_live_soon_and_in_nobodys_way']),
    soak('restarts', 'fanfare:front', ['load::rolling::a_server_is_replaced_under_load_and_nothing_is_lost_or_doubled']),
    soak('takeover', 'fanfare:front', ['load::rolling::beside::cql_a_new_process_takes_over_and_nothing_is_lost_or_doubled'], { cql: true, env: { FANFARE_TEST_STORE: 'scylla' } }),
    soak('crowd', 'fanfare:front', ['presence::watch::a_crowd_that_comes_and_goes_at_once_is_told_in_few_events'], { env: { FANFARE_TEST_CROWD: '2000x50' } }),
    soak('compression', 'fanfare:front', ['session::compression::figures_of_a_room_of_200']),
    soak('table-size', 'fanfare:lib', ['domain::location::table::tests::many_others_make_nothing_slower']),
    soak('presence-memory', 'fanfare:lib', ['domain::presence::memory::what_people_and_those_who_watch_them_take']),
    soak('crashes', 'fanfare:store', ['crash::nothing_answered_is_lost'], { env: { FANFARE_CRASH_ROUNDS: '200' } }),
    soak('random-calls', 'fanfare:store', ['cql::cql_conforms', 'cql::cql_conforms_with_small_buckets', 'sqlite_conforms'], { cql: true, env: { PROPTEST_CASES: '100' } }),
    soak('database-kills', 'fanfare:store', ['cql::faults::cql_the_only_node_is_stopped_and_killed'], { cql: true, env: { FANFARE_TEST_KILLS: '20', FANFARE_TEST_SECONDS: '600' } }),
    soak('one-of-three', 'fanfare:store', ['cql::faults::cql_one_node_of_three_may_be_away'], { cql: true }),
    network('network-outage', ['track']),
    browser('console-load', ['soak/load.test.mjs']),
    { ...command('fuzz', ['fuzz/short.sh', '60']), after: ['programs'] },
  ];
}
