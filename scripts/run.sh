#!/usr/bin/env bash
# `make run`: a development server with the sample taxis driving through it. Ctrl-C ends all. The server is a development
# build: it is there in half the time that a release takes, and reads the console from its folder.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
fanfare=$target/debug/fanfare

mkdir -p data
echo "building the server and its console side by side: some minutes the first time"
make --no-print-directory console >data/console.log 2>&1 &
console=$!
trap 'kill "$console" 2>/dev/null || true' EXIT
cargo build --locked
if ! wait "$console"; then
    cat data/console.log >&2
    echo "The console was not built." >&2
    exit 1
fi

# The server has a process group of its own, so that Ctrl-C reaches the taxis first: what they sent is stored then.
words=$(mktemp -u)
mkfifo -m 600 "$words"
set -m
NO_COLOR=1 "$fanfare" serve --dev >"$words" 2>data/serve.log &
server=$!
set +m
exec {told}<"$words"
rm -f "$words"

replay=
finish() {
    trap '' INT TERM
    # The taxis first: what they sent is stored then.
    for process in $replay $server; do
        kill -TERM "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
}
trap finish EXIT
trap : INT
trap 'exit 143' TERM

# It says where it serves, and where its console is, once it does.
lines=()
while [ ${#lines[@]} -lt 3 ] && read -r line <&"$told"; do
    lines+=("$line")
done
if [ ${#lines[@]} -lt 3 ]; then
    cat data/serve.log >&2
    echo "The server did not start." >&2
    exit 1
fi
url=$(sed -nE 's#.*(https?)://localhost:([0-9]+).*#\1://127.0.0.1:\2#p' <<<"${lines[0]}")
# Its public address may lead elsewhere, or nowhere yet.
[ -n "$url" ] || url=http://$(sed -nE 's#.*tcp=([^ ]+).*#\1#p' data/serve.log | tail -n 1)

there="--dev"
[ "$url" = http://127.0.0.1:4433 ] || there="$there --url $url"
cat <<EOF

$(printf '%s\n' "${lines[@]}")
Its log is data/serve.log, its numbers are at $url/metrics.

Open that address in browsers, and type in other terminals:

  $fanfare watch $there
  $fanfare chat $there --as ann --with bob
  $fanfare chat $there --as bob --with ann

475 taxis of Wuxi drive now, at 150 times the speed. Ctrl-C ends all.

EOF

# In the background: a shell that waits takes its signals at once, one that runs a program only after it has ended.
"$fanfare" replay --dev --url "$url" --speed 150 --loop samples/wuxi-taxis.csv &
replay=$!
# Ended by Ctrl-C, which reaches it as well, it has done what it should.
status=0
while kill -0 "$replay" 2>/dev/null; do
    status=0
    wait "$replay" || status=$?
done
[ "$status" -eq 0 ] || [ "$status" -eq 130 ]
