#!/usr/bin/env bash
# Runs a command that finds the real server and both browsers in its environment. Installs nothing; says what is missing.
# FANFARE_BIN names a server that is built already; CHROMIUM and FIREFOX name browsers.
set -euo pipefail
cd "$(dirname "$0")"

missing=()
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
FIREFOX=${FIREFOX:-$(command -v firefox-esr || command -v firefox || true)}
[ -n "$CHROMIUM" ] || missing+=("chromium")
[ -n "$FIREFOX" ] || missing+=("firefox-esr")
command -v node >/dev/null || missing+=("node 20 or newer")
[ -d node_modules/puppeteer-core ] || missing+=("its packages (npm --prefix tests/browser ci)")
if [ ${#missing[@]} -gt 0 ]; then
    printf 'The browser tests need: %s\n' "${missing[@]}" >&2
    exit 1
fi

if [ -z "${FANFARE_BIN:-}" ]; then
    (cd ../.. && cargo build --locked --package fanfare --bin fanfare)
    target=${CARGO_TARGET_DIR:-../../target}
    FANFARE_BIN=$(realpath "$target/debug/fanfare")
fi
export FANFARE_BIN CHROMIUM FIREFOX
exec "$@"
