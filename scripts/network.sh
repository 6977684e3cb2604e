#!/usr/bin/env bash
# Runs the tests that cut, slow and move the network. They make networks of their own, which needs root;
# FANFARE_SKIP_NETWORK=1 does without.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
    echo "The network tests need root." >&2
    [ "${FANFARE_SKIP_NETWORK:-}" = 1 ] && echo "SKIPPED, as FANFARE_SKIP_NETWORK says." >&2
    exit $?
fi
exec bash tests/network/run.sh
