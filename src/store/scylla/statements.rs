//! Every statement, prepared once for each session. All may be repeated, and all name whole partitions by markers, so
//! that the driver finds the replicas.

use std::ops::Deref;

use scylla::{
    client::{execution_profile::ExecutionProfileHandle, session::Session},
    errors::PrepareError,
    statement::{Consistency, prepared::PreparedStatement},
};

use super::schema;
use crate::store::FixClass;

/// How statements of a family are run.
pub(super) struct Profiles {
    pub(super) data: ExecutionProfileHandle,
    pub(super) ticks: ExecutionProfileHandle,
    pub(super) cas: ExecutionProfileHandle,
}

/// The statement with its table named in full. A session that uses a keyspace would do as well, but Cassandra warns of
/// every statement that is prepared on one.
pub(super) fn in_keyspace(cql: &str, keyspace: &str) -> String {
    const BEFORE: [&str; 6] =
        ["TABLE IF NOT EXISTS ", "TABLE IF EXISTS ", "TABLE ", "FROM ", "INTO ", "UPDATE "];
    let table = BEFORE.iter().find_map(|word| cql.find(word).map(|at| at + word.len()));
    let (before, rest) = cql.split_at(table.unwrap_or(0));
    if rest.starts_with("system") { cql.to_owned() } else { format!("{before}{keyspace}.{rest}") }
}

/// A struct of statements; `{fix}` in a text is where the name of a class's table comes in.
macro_rules! statements {
    ($all:ident; $($name:ident: $profile:ident $($serial:ident)?, $cql:expr;)*) => {
        pub(super) struct $all { $(pub(super) $name: PreparedStatement),* }

        impl $all {
            async fn of(
                session: &Session,
                keyspace: &str,
                profiles: &Profiles,
                fix: &str,
            ) -> Result<Box<Self>, PrepareError> {
                $(
                    let cql = in_keyspace(&$cql.replace("{fix}", fix), keyspace);
                    let mut $name = session.prepare(cql).await?;
                    $name.set_is_idempotent(true);
                    $name.set_execution_profile_handle(Some(profiles.$profile.clone()));
                    $($name.set_consistency(Consistency::$serial);)?
                )*
                Ok(Box::new(Self { $($name),* }))
            }
        }
    };
}

/// All statements.
pub(super) struct Statements {
    plain: Box<Plain>,
    /// By class.
    fixes: [Box<OfClass>; FixClass::ALL.len()],
}

impl Statements {
    pub(super) async fn prepare(
        session: &Session,
        keyspace: &str,
        profiles: &Profiles,
    ) -> Result<Self, PrepareError> {
        let of = |class| Box::pin(OfClass::of(session, keyspace, profiles, schema::fix_table(class)));
        let [short, standard, long] = FixClass::ALL;
        let plain = Box::pin(Plain::of(session, keyspace, profiles, ""));
        let (plain, short, standard, long) = futures::try_join!(plain, of(short), of(standard), of(long))?;
        Ok(Self { plain, fixes: [short, standard, long] })
    }

    /// Those on the tables of a class of fixes.
    pub(super) fn fixes(&self, class: FixClass) -> &OfClass {
        &self.fixes[class as usize]
    }
}

impl Deref for Statements {
    type Target = Plain;

    fn deref(&self) -> &Plain {
        &self.plain
    }
}

statements! { OfClass;
    put: ticks, "INSERT INTO {fix} (org, agent, bucket, time, source, counter, lat, lon,
                 accuracy, speed, heading, battery) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    latest_put: ticks, "INSERT INTO {fix}_latest (org, shard, agent, fix) VALUES (?, ?, ?, ?) USING TIMESTAMP ?";
    bucket_put: ticks, "INSERT INTO {fix}_bucket (org, agent, bucket) VALUES (?, ?, ?)";
    agent_put: ticks, "INSERT INTO {fix}_agent (org, day, agent) VALUES (?, ?, ?)";
    org_put: ticks, "INSERT INTO {fix}_org (shard, day, org) VALUES (?, ?, ?)";
    buckets: data, "SELECT bucket FROM {fix}_bucket WHERE org = ? AND agent = ? AND bucket >= ? AND bucket <= ?";
    any_bucket: data, "SELECT bucket FROM {fix}_bucket WHERE org = ? AND agent = ? LIMIT 1";
    track: data, "SELECT time, source, counter, lat, lon, accuracy, speed, heading, battery FROM {fix}
                 WHERE org = ? AND agent = ? AND bucket = ?
                 AND (time, source, counter) > (?, ?, ?) AND (time) <= (?) LIMIT ?";
    latest: data, "SELECT agent, fix FROM {fix}_latest WHERE org = ? AND shard = ?";
    orgs: data, "SELECT day, org FROM {fix}_org WHERE shard = ? AND day < ?";
    agents: data, "SELECT agent FROM {fix}_agent WHERE org = ? AND day = ?";
    agents_from: data, "SELECT agent FROM {fix}_agent WHERE org = ? AND day = ? AND agent >= ? LIMIT ?";
    drop: data, "DELETE FROM {fix} WHERE org = ? AND agent = ? AND bucket = ?";
    bucket_drop: data, "DELETE FROM {fix}_bucket WHERE org = ? AND agent = ? AND bucket = ?";
    agents_drop: data, "DELETE FROM {fix}_agent WHERE org = ? AND day = ?";
    org_drop: data, "DELETE FROM {fix}_org WHERE shard = ? AND day = ? AND org = ?";
    latest_drop: data, "DELETE FROM {fix}_latest USING TIMESTAMP ? WHERE org = ? AND shard = ? AND agent = ?";
    roll_agents: data, "SELECT DISTINCT org, agent FROM {fix}_bucket";
}

statements! { Plain;
    // Whether any node answers at all, and which database it is of: whether a quorum does, it says itself, and at once.
    probe: data One, "SELECT value FROM meta WHERE name = 'epoch'";

    topic: data, "SELECT first, bucket, start, base, before FROM topic WHERE org = ? AND kind = ? AND key = ?";
    topic_serial: cas LocalSerial,
        "SELECT first, bucket, start, base, before FROM topic WHERE org = ? AND kind = ? AND key = ?";
    topic_begin: cas,
        "UPDATE topic SET current = 0, first = ? WHERE org = ? AND kind = ? AND key = ? IF current = null";
    topic_advance: cas,
        "UPDATE topic SET current = ? WHERE org = ? AND kind = ? AND key = ? IF current = ?";
    topic_bucket: cas,
        "INSERT INTO topic (org, kind, key, bucket, start, base, before) VALUES (?, ?, ?, ?, ?, ?, ?)";
    topic_first: cas,
        "UPDATE topic SET first = ? WHERE org = ? AND kind = ? AND key = ? IF first = ?";
    topic_forget: cas,
        "DELETE FROM topic WHERE org = ? AND kind = ? AND key = ? AND bucket = ? IF EXISTS";
    list_add: data, "INSERT INTO topic_list (kind, shard, org, key, due) VALUES (?, ?, ?, ?, ?)";
    list: data,
        "SELECT org, key, due FROM topic_list WHERE kind = ? AND shard = ? AND (org, key) > (?, ?) LIMIT ?";

    // The newest event in the same read: where replicas differ, it is repaired together with the head.
    tail: data, "SELECT head, total, bytes, amended, newest, sealed, seq, count, at FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? ORDER BY seq DESC LIMIT 1";
    tail_serial: cas LocalSerial, "SELECT head, total, bytes, amended, newest, sealed, seq, count, at FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? ORDER BY seq DESC LIMIT 1";
    head_first: cas, "UPDATE log SET head = ?, total = ?, bytes = ?, newest = ?
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? IF head = null AND sealed = null";
    head_next: cas, "UPDATE log SET head = ?, total = ?, bytes = ?, newest = ?
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? IF head = ? AND sealed = null";
    seal: cas, "UPDATE log SET sealed = true
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? IF head = ? AND sealed = null";
    seal_empty: cas, "UPDATE log SET sealed = true
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? IF head = null AND sealed = null";
    event_add: cas, "INSERT INTO log (org, kind, key, bucket, seq, request, author, client_id, at, name, data,
                 count, revision, op) VALUES (?, ?, ?, ?, ?, 'e', ?, ?, ?, ?, ?, ?, ?, ?)";
    request_add: cas, "INSERT INTO log (org, kind, key, bucket, seq, request, ref, at, count)
                 VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?)";
    requests: data, "SELECT request, ref, at, count FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq = 0 AND request IN ?";
    event_op: cas LocalSerial, "SELECT op FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq = ? AND request = 'e'";
    event_at: data, "SELECT at FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq = ? AND request = 'e'";
    amendable: data, "SELECT revision, name, data, bytes, amended FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq = ? AND request = 'e'";
    amendable_serial: cas LocalSerial, "SELECT revision, name, data, bytes, amended FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq = ? AND request = 'e'";
    rising: data, "SELECT seq, author, client_id, at, name, data, count, revision FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq > ? AND seq < ? LIMIT ?";
    falling: data, "SELECT seq, author, client_id, at, name, data, count, revision FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq > ? AND seq < ?
                 ORDER BY seq DESC LIMIT ?";
    times: data, "SELECT seq, at FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq > ? AND seq < ? LIMIT ?";
    amend_first: cas, "UPDATE log SET name = ?, data = ?, revision = ?, amended = ?
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq = ? AND request = 'e'
                 IF revision = ? AND amended = null";
    amend_next: cas, "UPDATE log SET name = ?, data = ?, revision = ?, amended = ?
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq = ? AND request = 'e'
                 IF revision = ? AND amended = ?";
    events_drop: data, "DELETE FROM log
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq > 0 AND seq < ?";
    // All but the static columns: a sealed bucket stays sealed.
    bucket_drop: data, "DELETE FROM log WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq >= 0";

    record: data, "SELECT version, op, gone, expires, value FROM record
                 WHERE org = ? AND kind = ? AND part = ? AND key = ?";
    record_serial: cas LocalSerial, "SELECT version, op, gone, expires, value FROM record
                 WHERE org = ? AND kind = ? AND part = ? AND key = ?";
    record_first: cas, "UPDATE record SET version = ?, op = ?, gone = ?, expires = ?
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? IF version = null";
    record_next: cas, "UPDATE record SET version = ?, op = ?, gone = ?, expires = ?
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? IF version = ?";
    record_value: cas, "UPDATE record USING TTL ? SET value = ?
                 WHERE org = ? AND kind = ? AND part = ? AND key = ?";
    records: data, "SELECT key, version, op, gone, expires, value FROM record
                 WHERE org = ? AND kind = ? AND part = ? AND key > ? LIMIT ?";
    records_all: data, "SELECT key, version, op, gone, expires, value FROM record
                 WHERE org = ? AND kind = ? AND part = ? LIMIT ?";

    kept: data, "SELECT head, first, bytes, gone, expires, value FROM kept
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? LIMIT 1";
    kept_serial: cas LocalSerial, "SELECT head, first, bytes, gone, expires, value FROM kept
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? LIMIT 1";
    kept_op: cas LocalSerial, "SELECT op FROM kept
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? AND version = ?";
    kept_ends: data, "SELECT head, first FROM kept
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? LIMIT 1";
    kept_sizes: data, "SELECT version, size FROM kept
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? AND version >= ?
                 ORDER BY version ASC LIMIT ?";
    kept_versions: data, "SELECT head, first, version, at, author, gone, expires, value FROM kept
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? AND version > ?
                 ORDER BY version ASC LIMIT ?";
    kept_first: cas, "UPDATE kept SET head = ?, first = ?, bytes = ?
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? IF head = null";
    kept_next: cas, "UPDATE kept SET head = ?, first = ?, bytes = ?
                 WHERE org = ? AND kind = ? AND part = ? AND key = ? IF head = ?";
    kept_add: cas, "INSERT INTO kept (org, kind, part, key, version, op, at, author, gone, expires, size, value)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    kept_drop: cas, "DELETE FROM kept WHERE org = ? AND kind = ? AND part = ? AND key = ? AND version = ?";
    kept_lead: data, "INSERT INTO kept_key (org, kind, part, key) VALUES (?, ?, ?, ?)";
    kept_keys: data, "SELECT key FROM kept_key
                 WHERE org = ? AND kind = ? AND part = ? AND key > ? LIMIT ?";
    kept_keys_all: data, "SELECT key FROM kept_key WHERE org = ? AND kind = ? AND part = ? LIMIT ?";

    mark_delivered: data, "UPDATE mark USING TIMESTAMP ? SET delivered = ?
                 WHERE org = ? AND kind = ? AND key = ? AND user = ?";
    mark_read: data, "UPDATE mark USING TIMESTAMP ? SET read = ?
                 WHERE org = ? AND kind = ? AND key = ? AND user = ?";
    mark: data, "SELECT user, delivered, read FROM mark WHERE org = ? AND kind = ? AND key = ? AND user = ?";
    marks: data, "SELECT user, delivered, read FROM mark WHERE org = ? AND kind = ? AND key = ?";

    timer: cas LocalSerial, "SELECT due, wake, op, data FROM timer WHERE key = ?";
    timer_new: cas, "INSERT INTO timer (key, due, wake, op, data) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS";
    timer_move: cas, "UPDATE timer SET due = ?, wake = ?, op = ?, data = ? WHERE key = ? IF op = ?";
    timer_lease: cas, "UPDATE timer SET wake = ?, op = ? WHERE key = ? IF op = ?";
    timer_clear: cas, "DELETE FROM timer WHERE key = ? IF op = ?";
    timers: data, "SELECT key, wake, op FROM timer";
    slot_mark: data, "SELECT value FROM meta WHERE name = ?";
    slot_mark_first: cas, "INSERT INTO meta (name, value) VALUES (?, ?) IF NOT EXISTS";
    slot_mark_next: cas, "UPDATE meta SET value = ? WHERE name = ? IF value = ?";
    due_add: data, "INSERT INTO timer_due (slot, shard, wake, key, op) VALUES (?, ?, ?, ?, ?)";
    due: data, "SELECT wake, key, op FROM timer_due WHERE slot = ? AND shard = ? AND wake <= ? LIMIT ?";
    due_any: data, "SELECT wake FROM timer_due WHERE slot = ? AND shard = ? LIMIT 1";
    due_drop: data, "DELETE FROM timer_due WHERE slot = ? AND shard = ? AND wake = ? AND key = ? AND op = ?";

    doc: data, "SELECT words FROM text_doc WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq = ?";
    docs: data, "SELECT seq, words FROM text_doc
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq IN ?";
    docs_after: data, "SELECT seq, words FROM text_doc
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq > ? LIMIT ?";
    doc_put: data, "INSERT INTO text_doc (org, kind, key, bucket, seq, words) VALUES (?, ?, ?, ?, ?, ?)";
    doc_drop: data, "DELETE FROM text_doc WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND seq = ?";
    term_put: data, "INSERT INTO text_term (org, kind, key, bucket, word, at, seq) VALUES (?, ?, ?, ?, ?, ?, ?)";
    term_drop: data, "DELETE FROM text_term
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND word = ? AND at = ? AND seq = ?";
    terms: data, "SELECT at, seq FROM text_term
                 WHERE org = ? AND kind = ? AND key = ? AND bucket = ? AND word = ? AND (at, seq) < (?, ?) LIMIT ?";

    // Whole tables, page by page.
    roll_topics: data, "SELECT org, kind, key FROM topic_list";
    roll_records: data, "SELECT org, kind, part, key, gone, expires, value FROM record";
    roll_histories: data, "SELECT DISTINCT org, kind, part, key FROM kept";
    roll_timers: data, "SELECT key, due, data FROM timer";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_in_full() {
        for (cql, full) in [
            ("SELECT a FROM t WHERE b = ?", "SELECT a FROM k.t WHERE b = ?"),
            ("DELETE FROM t WHERE a = ? IF EXISTS", "DELETE FROM k.t WHERE a = ? IF EXISTS"),
            (
                "INSERT INTO t (a) VALUES (?) IF NOT EXISTS USING TTL 60",
                "INSERT INTO k.t (a) VALUES (?) IF NOT EXISTS USING TTL 60",
            ),
            ("UPDATE t USING TTL ? SET a = ?", "UPDATE k.t USING TTL ? SET a = ?"),
            ("CREATE TABLE IF NOT EXISTS t (a int)", "CREATE TABLE IF NOT EXISTS k.t (a int)"),
            ("DROP TABLE IF EXISTS t", "DROP TABLE IF EXISTS k.t"),
            ("ALTER TABLE t ADD a int", "ALTER TABLE k.t ADD a int"),
            ("SELECT key FROM system.local", "SELECT key FROM system.local"),
        ] {
            assert_eq!(in_keyspace(cql, "k"), full);
        }
    }
}
