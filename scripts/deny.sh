#!/usr/bin/env bash
# Licences, banned crates and sources of the dependencies (deny.toml), where cargo-deny is installed. The advisories
# need a database from the network: `cargo deny check advisories`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo tree --workspace --all-features --locked --depth 0 >/dev/null
for crate in ring openssl-sys native-tls; do
    users=$(cargo tree --workspace --all-features --locked --invert "$crate" 2>/dev/null || true)
    if [ -n "$users" ]; then
        printf '%s must not be compiled in (deny.toml says why):\n%s\n' "$crate" "$users" >&2
        exit 1
    fi
done
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --log-level error check licenses bans sources
else
    echo "skipped: licences, bans and sources (cargo install cargo-deny --locked)"
fi
