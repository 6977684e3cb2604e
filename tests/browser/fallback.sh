#!/usr/bin/env bash
# Runs a command in a network namespace that ends with it, for tests of browsers where UDP is dropped or refused. Needs
# root and nftables; FANFARE_SKIP_NETWORK=1 does without.
set -euo pipefail
cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin:/sbin
if [ "$(id -u)" -ne 0 ] || ! unshare --net true 2>/dev/null; then
    echo "The fallback tests need root, and a kernel that permits network namespaces." >&2
    [ "${FANFARE_SKIP_NETWORK:-}" = 1 ] && echo "SKIPPED, as FANFARE_SKIP_NETWORK says." >&2
    exit $?
fi
export FANFARE_OWN_NETWORK=1
# With nothing but a loopback a browser says that it is offline. No addresses that come by themselves a moment later:
# Chromium gives up all that it is loading when its network changes.
network='ip link set lo up; ip link add net0 type veth peer name net1; ip link set net0 addrgenmode none
ip link set net1 addrgenmode none; ip link set net1 up; ip address add 10.77.1.1/24 dev net0; ip link set net0 up; ip route add default dev net0'
exec unshare --net bash -ec "$network; exec \"\$@\"" fallback "$@"
