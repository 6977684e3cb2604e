#!/usr/bin/env bash
# Runs the tests that cut, slow and move the network. They make networks of their own, which needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
    echo "SKIPPED: tests/network needs root" >&2
    exit 0
fi
exec bash tests/network/run.sh
