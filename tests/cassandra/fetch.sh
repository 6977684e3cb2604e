#!/usr/bin/env bash
# Fetches the libraries of the Cassandra server that the tests run, once, into target/cassandra/lib.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
lib=${CARGO_TARGET_DIR:-$here/../../target}/cassandra/lib
stamp=$lib/.complete
# Another version of the pom is another set of libraries.
if [ -f "$stamp" ] && cmp -s "$here/pom.xml" "$stamp"; then exit 0; fi
rm -rf "$lib"
mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$(mkdir -p "$lib" && cd "$lib" && pwd)" >/dev/null
cp "$here/pom.xml" "$stamp"
