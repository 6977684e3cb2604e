#!/usr/bin/env bash
# Runs every fuzz target for a few seconds (argument, default 5) on seeds made from the protocol's vectors.
# Fails if one crashes; what crashed it is in artifacts/. Works on the stable toolchain: without a sanitizer
# (this code has no unsafe), the coverage instrumentation is an ordinary compiler option.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-5}
version=0.13.2

if ! cargo fuzz --version 2>/dev/null | grep -qF "$version"; then
    cargo install cargo-fuzz --version "=$version" --locked
fi
# As the tests build it: otherwise what it needs is compiled once more.
(cd .. && cargo build --quiet --workspace --all-features --locked --example seeds)
"$(realpath "${CARGO_TARGET_DIR:-../target}")/debug/examples/seeds" corpus

fuzz=(--sanitizer none)
cargo fuzz build "${fuzz[@]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in $(cargo fuzz list); do
    options=(-max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 -max_len=4096 -print_final_stats=1)
    if cargo fuzz run "${fuzz[@]}" "$target" -- "${options[@]}" >"$log" 2>&1; then
        echo "fuzz $target: $(awk '/number_of_executed_units/ { print $2 }' "$log") runs, no crash"
    else
        cat "$log"
        echo "fuzz $target: failed" >&2
        exit 1
    fi
done
