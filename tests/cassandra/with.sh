#!/usr/bin/env bash
# Runs a command beside a Cassandra of its own, and stops that however the command ends:
#   tests/cassandra/with.sh cargo test
# The command finds it by FANFARE_TEST_CQL=host:port. Where that is set already, the tests use that cluster.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# Some tests start and kill nodes of their own, whichever database the others use.
"$here/fetch.sh"
[ -z "${FANFARE_TEST_CQL:-}" ] || exec "$@"
free_port() {
    local port
    while true; do
        # Below the range that the kernel gives to outgoing connections.
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port" && return; fi
    done
}
data=$(mktemp -d)
node=
finish() {
    if [ -n "$node" ]; then kill -KILL "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; fi
    rm -rf "$data"
}
trap finish EXIT
trap 'exit 130' INT TERM
for attempt in 1 2 3; do
    port=$(free_port)
    "$here/node.sh" "$data/node" 127.0.0.1 "$port" "$(free_port)" >"$data/log" 2>&1 &
    node=$!
    # Until it listens, is gone, or has had four minutes.
    begun=$SECONDS
    until grep -qs "Starting listening for CQL clients" "$data/log"; do
        if [ $((SECONDS - begun)) -ge 240 ]; then kill -KILL "$node"; wait "$node" || true; fi
        if ! kill -0 "$node" 2>/dev/null; then break; fi
        sleep 0.1
    done
    if kill -0 "$node" 2>/dev/null; then break; fi
    echo "Cassandra did not start (attempt $attempt):" >&2
    tail -20 "$data/log" >&2
    node=
done
[ -n "$node" ] || exit 1
FANFARE_TEST_CQL=127.0.0.1:$port "$@"
