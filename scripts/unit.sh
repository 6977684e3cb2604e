#!/usr/bin/env bash
# Every cargo test; then those through the front door that depend on the store once more, on a CQL database, and those with
# several servers on one; then, one after another, those that start, stop and kill databases of their own and look at the time.
set -euo pipefail
: "${FANFARE_TEST_CQL:?the tests of the CQL store would test nothing: tests/cassandra/with.sh sets it}"
# With the whole workspace, although only one package has some of the tests: otherwise it is compiled once more.
cargo test --workspace --all-features --locked
FANFARE_TEST_STORE=scylla cargo test --workspace --all-features --locked --test front -- \
    chat:: cql_ positions:: presence:: resume:: revocation:: window:: --test-threads=1
cargo test --workspace --all-features --locked --test store --test front -- --ignored --test-threads=1 \
    --skip figures_of
