#!/usr/bin/env bash
# Runs every test that needs a network of its own (tests/net*.sh). Making one needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
shopt -s nullglob
scripts=(tests/net*.sh)
if [ "$(id -u)" -ne 0 ]; then
    echo "skipped, because they need root: ${scripts[*]}" >&2
    exit 0
fi
for script in "${scripts[@]}"; do
    echo "== $script"
    bash "$script"
done
