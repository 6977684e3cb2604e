#!/usr/bin/env bash
# What the tests need besides Rust and Node: browsers, tools that make a network fail or the clock wrong, a proxy, and Java
# for Cassandra. On Debian, as root, what is missing is installed; elsewhere it is named.
set -euo pipefail

missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
PATH=$PATH:/usr/sbin:/sbin
need chromium chromium
need firefox-esr firefox-esr
need nft nftables
need ip iproute2
need ping iputils-ping
need java openjdk-17-jre-headless
need mvn maven
need setpriv util-linux
need nginx nginx-light
need faketime faketime

[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests need: ${missing[*]}. Install them, or run as root on Debian." >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}"
