#!/usr/bin/env bash
# Tests in a network of their own: for each, two namespaces with a cable between them, the server in one and the
# clients in the other. Needs root, iproute2 and nftables; installs nothing. Touches nothing outside the namespaces
# that it makes, and removes them.
#
#   tests/network/run.sh [name of a test file …]     all of them, the longest beside the others: about 3 minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin

[ "$(id -u)" -eq 0 ] || { echo "The network tests need root, to make namespaces." >&2; exit 1; }
missing=()
command -v ip >/dev/null || missing+=("iproute2")
command -v nft >/dev/null || missing+=("nftables")
command -v cargo >/dev/null || missing+=("cargo")
if [ ${#missing[@]} -gt 0 ]; then
    echo "The network tests need: ${missing[*]}" >&2
    exit 1
fi

run=fanfare-$$
made=()
running=()
out=$(mktemp -d)
clean() {
    trap '' INT TERM
    for process in "${running[@]}"; do kill "$process" 2>/dev/null || true; done
    for namespace in "${made[@]}"; do
        # Whoever is in it, is ours.
        ip netns pids "$namespace" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns delete "$namespace" 2>/dev/null || true
    done
    rm -rf "$out"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A pair of namespaces; fails where the kernel does not permit them.
pair() {
    local server=$run-$1-server client=$run-$1-client
    ip netns add "$server" && made+=("$server") || return
    ip netns add "$client" && made+=("$client") || return
    ip link add eth0 netns "$server" type veth peer name eth0 netns "$client" || return
    for namespace in "$server" "$client"; do
        ip -n "$namespace" link set lo up || return
        # Else the kernel hands over many packets as one, and one loss loses them all.
        ip -n "$namespace" link set eth0 gso_max_segs 1 || return
        ip -n "$namespace" link set eth0 up || return
    done
    ip -n "$server" address add 10.77.0.1/24 dev eth0 || return
    # The second address is the observer's.
    ip -n "$client" address add 10.77.0.2/24 dev eth0 || return
    ip -n "$client" address add 10.77.0.3/24 dev eth0
}

if ! pair probe 2>"$out/why"; then
    cat "$out/why" >&2
    echo "SKIPPED: the network tests did NOT run, because this kernel does not permit network namespaces."
    exit 0
fi

# The test program, where it is built already.
program=${NETWORK_TEST_PROGRAM:-}
if [ -z "$program" ]; then
    cargo test --workspace --all-features --locked --test network --no-run
    program=$(cargo test --workspace --all-features --locked --test network --no-run --message-format=json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*\/network-[^"]*\)".*/\1/p')
fi
[ -x "$program" ] || { echo "There is no test program." >&2; exit 1; }

# Runs the tests of a file in a pair of its own.
tests() {
    NETWORK_TEST_SERVER=$run-$1-server NETWORK_TEST_CLIENT=$run-$1-client \
        ip netns exec "$run-$1-client" "$program" --ignored --nocapture --test-threads 1 "$1::" --skip the_victim $NETWORK_TEST_OPTIONS
}

# More for the test program.
NETWORK_TEST_OPTIONS=${NETWORK_TEST_OPTIONS:-}

files=("$@")
[ ${#files[@]} -gt 0 ] || files=(track handshakes chat killed moved)
for file in "${files[@]}"; do pair "$file"; done

# The first, which mostly waits, beside the others. All in the background: only `wait` lets a signal through.
tests "${files[0]}" >"$out/first" 2>&1 &
running=($!)
failed=()
for file in "${files[@]:1}"; do
    tests "$file" &
    running[1]=$!
    wait "${running[1]}" || failed+=("$file")
done
wait "${running[0]}" || failed+=("${files[0]}")
running=()
cat "$out/first"
if [ ${#failed[@]} -gt 0 ]; then
    echo "Failed: ${failed[*]}" >&2
    exit 1
fi
