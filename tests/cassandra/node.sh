#!/usr/bin/env bash
# Runs one Cassandra node in this very process (its pid is the caller's child), and dies with its parent.
#   node.sh DATA ADDRESS PORT STORAGE_PORT [TOKEN]
# DATA keeps everything, so that the same node can be started again after a kill. With a TOKEN it is a member of a
# cluster whose seed is 127.0.0.1. It prints "Starting listening for CQL clients" once it can be spoken to.
set -euo pipefail
data=$1 address=$2 port=$3 storage=$4 token=${5:-}
here=$(cd "$(dirname "$0")" && pwd)
lib=$(cd "${CARGO_TARGET_DIR:-$here/../../target}/cassandra/lib" && pwd)
# periodic is fast, and a node that is killed forgets what it answered since its last sync; batch syncs before it answers.
sync=${FANFARE_CASSANDRA_SYNC:-periodic} period=
# One that is never killed need not write its tables' definitions to disk at each change, which takes most of the change.
flush=true
if [ "$sync" = periodic ]; then period=10s flush=false; fi
mkdir -p "$data"
cat > "$data/cassandra.yaml" <<YAML
cluster_name: fanfare tests
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
num_tokens: 1
${token:+initial_token: $token}
${token:+auto_bootstrap: false}
storage_port: $storage
ssl_storage_port: $((storage + 1))
native_transport_port: $port
start_native_transport: true
listen_address: $address
rpc_address: $address
seed_provider: [{class_name: org.apache.cassandra.locator.SimpleSeedProvider, parameters: [{seeds: "127.0.0.1:$storage"}]}]
data_file_directories: [$data/data]
commitlog_directory: $data/commitlog
saved_caches_directory: $data/caches
hints_directory: $data/hints
cdc_raw_directory: $data/cdc
commitlog_sync: $sync
${period:+commitlog_sync_period: $period}
commitlog_segment_size: 8MiB
auto_snapshot: false
memtable_allocation_type: heap_buffers
disk_access_mode: standard
concurrent_reads: 16
concurrent_writes: 16
${FANFARE_CASSANDRA_YAML:-}
YAML
export_to=ALL-UNNAMED
flags=()
for name in java.base/jdk.internal.misc java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry \
    java.rmi/sun.rmi.server java.sql/java.sql java.base/java.lang.ref jdk.unsupported/sun.misc \
    java.management/com.sun.jmx.remote.security; do
    flags+=("--add-exports" "$name=$export_to")
done
for name in java.base/java.lang.module java.base/jdk.internal.loader java.base/jdk.internal.ref \
    java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module \
    java.base/jdk.internal.util.jar jdk.management/com.sun.management.internal java.base/sun.nio.ch java.base/java.io \
    java.base/java.lang.reflect java.base/java.lang java.base/java.util java.base/java.nio; do
    flags+=("--add-opens" "$name=$export_to")
done
ring=1
[ -z "$token" ] || ring=1000
# setpriv: the kernel kills the node when whoever started it is gone, however that came about.
exec setpriv --pdeathsig KILL java "${flags[@]}" \
    "-javaagent:$lib/jamm-0.4.0.jar" \
    -Djdk.attach.allowAttachSelf=true -Dio.netty.tryReflectionSetAccessible=true -Djava.net.preferIPv4Stack=true \
    -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -XX:TieredStopAtLevel=1 -Xms256m "-Xmx${FANFARE_CASSANDRA_HEAP:-512m}" -XX:MaxDirectMemorySize=256m -Xss512k \
    "-Dcassandra.config=file://$data/cassandra.yaml" "-Dcassandra.storagedir=$data" -Dcassandra-foreground=yes \
    -Dcassandra.skip_wait_for_gossip_to_settle=0 "-Dcassandra.ring_delay_ms=$ring" \
    "-Dcassandra.test.flush_local_schema_changes=$flush" -Dcassandra.consistent.rangemovement=false -Dcassandra.superuser_setup_delay_ms=0 \
    "-Dlogback.configurationFile=$here/logback.xml" \
    -cp "$lib/*" org.apache.cassandra.service.CassandraDaemon
