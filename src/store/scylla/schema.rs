//! The tables, and how older databases come to have them. One text for ScyllaDB and Cassandra.
//!
//! Each entry of the list leads from the version of its index to the next. Entries that were released never change:
//! a change of the tables is a new entry. Every statement may run twice.

use crate::store::FixClass;

/// Partitions over which lists of everything are spread.
pub(super) const SHARDS: i32 = 64;
/// Partitions over which an organisation's newest fixes are spread, and a slot's timers.
pub(super) const FEW: i32 = 8;

/// Exists before there is a version: it holds the version, and what else there is one of.
pub(super) const META: &str = "CREATE TABLE IF NOT EXISTS meta (name text PRIMARY KEY, value bigint)";

/// By version.
pub(super) const MIGRATIONS: &[&[&str]] = &[&[
    // A topic for good: its buckets, where each begins, and the oldest position that can be read. Only ever written
    // by conditional writes. `before` is the newest time in the bucket before.
    "CREATE TABLE IF NOT EXISTS topic (
       org text, kind text, key text, bucket int,
       current int static, first bigint static,
       start bigint, base bigint, before bigint,
       PRIMARY KEY ((org, kind, key), bucket)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    // Every topic, by kind, and the time before which there is nothing to expire in it (-1: not known).
    "CREATE TABLE IF NOT EXISTS topic_list (
       kind text, shard int, org text, key text, due bigint,
       PRIMARY KEY ((kind, shard), org, key)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    // A bucket: its events (seq from 1 on, request 'e'), and its requests (seq 0) to know repetitions by.
    "CREATE TABLE IF NOT EXISTS log (
       org text, kind text, key text, bucket int, seq bigint, request text,
       head bigint static, total bigint static, bytes bigint static, newest bigint static, sealed boolean static,
       author text, client_id text, at bigint, name text, data blob, count bigint, revision int,
       op bigint, ref bigint,
       PRIMARY KEY ((org, kind, key, bucket), seq, request)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    // A row that is `gone` is a record that was deleted: it keeps the version from starting again. Values expire by
    // themselves a day after their record.
    "CREATE TABLE IF NOT EXISTS record (
       org text, kind text, part text, key text,
       version bigint, op bigint, gone boolean, expires bigint, value blob,
       PRIMARY KEY ((org, kind, part), key)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    // Each kind of mark is written with its position as the timestamp, so an older one never replaces a newer. One
    // cell each, so that two positions never mix.
    "CREATE TABLE IF NOT EXISTS mark (
       org text, kind text, key text, user text, delivered blob, read blob,
       PRIMARY KEY ((org, kind, key), user)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    // `timer` is the truth, only written conditionally; `timer_due` leads to it, and may lead nowhere.
    "CREATE TABLE IF NOT EXISTS timer (
       key text PRIMARY KEY, due bigint, wake bigint, op bigint, data blob
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS timer_due (
       slot bigint, shard int, wake bigint, key text, op bigint,
       PRIMARY KEY ((slot, shard), wake, key, op)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    // The words of an event, and the events of a word, by the bucket of the log that they are in.
    "CREATE TABLE IF NOT EXISTS text_doc (
       org text, kind text, key text, bucket int, seq bigint, words text,
       PRIMARY KEY ((org, kind, key, bucket), seq)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
    "CREATE TABLE IF NOT EXISTS text_term (
       org text, kind text, key text, bucket int, word text, at bigint, seq bigint,
       PRIMARY KEY ((org, kind, key, bucket, word), at, seq)
     ) WITH CLUSTERING ORDER BY (at DESC, seq DESC)
       AND compaction = {'class': 'LeveledCompactionStrategy'}",
    // Fixes of six hours. What has expired goes with its whole file.
    "CREATE TABLE IF NOT EXISTS fix (
       org text, agent text, bucket bigint, time bigint, source bigint, counter bigint,
       lat int, lon int, accuracy int, speed int, heading int, battery int,
       PRIMARY KEY ((org, agent, bucket), time, source, counter)
     ) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS',
       'compaction_window_size': '1'} AND default_time_to_live = 2592000 AND gc_grace_seconds = 10800",
    // The buckets that an agent has; the agents of a day; the organisations of a day.
    "CREATE TABLE IF NOT EXISTS fix_bucket (
       org text, agent text, bucket bigint,
       PRIMARY KEY ((org, agent), bucket)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 2592000",
    "CREATE TABLE IF NOT EXISTS fix_agent (
       org text, day bigint, agent text,
       PRIMARY KEY ((org, day), agent)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 2592000",
    "CREATE TABLE IF NOT EXISTS fix_org (
       shard int, day bigint, org text,
       PRIMARY KEY (shard, day, org)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 2592000",
    // Written with the time of the fix as the timestamp, so the newest stays whatever came last (of two with the same
    // time, any). One cell, so that two fixes never mix.
    "CREATE TABLE IF NOT EXISTS fix_latest (
       org text, shard int, agent text, fix blob,
       PRIMARY KEY ((org, shard), agent)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 2592000",
], &[
    // A record whose kind keeps its history: a row for each version that is kept, newest first. Only ever written by
    // conditional writes; `bytes` are those of all values that are kept.
    "CREATE TABLE IF NOT EXISTS kept (
       org text, kind text, part text, key text, version bigint,
       head bigint static, first bigint static, bytes bigint static,
       op bigint, at bigint, author text, gone boolean, expires bigint, size bigint, value blob,
       PRIMARY KEY ((org, kind, part, key), version)
     ) WITH CLUSTERING ORDER BY (version DESC) AND compaction = {'class': 'LeveledCompactionStrategy'}",
    // Leads to them, in the order of their keys.
    "CREATE TABLE IF NOT EXISTS kept_key (
       org text, kind text, part text, key text,
       PRIMARY KEY ((org, kind, part), key)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'}",
], &[
    // By how many bytes amendments made the events of a bucket larger.
    "ALTER TABLE log ADD amended bigint static",
], &[
    // Fixes of the other classes, in tables like those of the standard one: files of one time to live go whole.
    "CREATE TABLE IF NOT EXISTS fix_short (
       org text, agent text, bucket bigint, time bigint, source bigint, counter bigint,
       lat int, lon int, accuracy int, speed int, heading int, battery int,
       PRIMARY KEY ((org, agent, bucket), time, source, counter)
     ) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'HOURS',
       'compaction_window_size': '5'} AND default_time_to_live = 604800 AND gc_grace_seconds = 10800",
    "CREATE TABLE IF NOT EXISTS fix_short_bucket (
       org text, agent text, bucket bigint,
       PRIMARY KEY ((org, agent), bucket)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 604800",
    "CREATE TABLE IF NOT EXISTS fix_short_agent (
       org text, day bigint, agent text,
       PRIMARY KEY ((org, day), agent)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 604800",
    "CREATE TABLE IF NOT EXISTS fix_short_org (
       shard int, day bigint, org text,
       PRIMARY KEY (shard, day, org)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 604800",
    "CREATE TABLE IF NOT EXISTS fix_short_latest (
       org text, shard int, agent text, fix blob,
       PRIMARY KEY ((org, shard), agent)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 604800",
    "CREATE TABLE IF NOT EXISTS fix_long (
       org text, agent text, bucket bigint, time bigint, source bigint, counter bigint,
       lat int, lon int, accuracy int, speed int, heading int, battery int,
       PRIMARY KEY ((org, agent, bucket), time, source, counter)
     ) WITH compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS',
       'compaction_window_size': '10'} AND default_time_to_live = 31536000 AND gc_grace_seconds = 10800",
    "CREATE TABLE IF NOT EXISTS fix_long_bucket (
       org text, agent text, bucket bigint,
       PRIMARY KEY ((org, agent), bucket)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 31536000",
    "CREATE TABLE IF NOT EXISTS fix_long_agent (
       org text, day bigint, agent text,
       PRIMARY KEY ((org, day), agent)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 31536000",
    "CREATE TABLE IF NOT EXISTS fix_long_org (
       shard int, day bigint, org text,
       PRIMARY KEY (shard, day, org)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 31536000",
    "CREATE TABLE IF NOT EXISTS fix_long_latest (
       org text, shard int, agent text, fix blob,
       PRIMARY KEY ((org, shard), agent)
     ) WITH compaction = {'class': 'LeveledCompactionStrategy'} AND default_time_to_live = 31536000",
], &[
    // What leads to fixes outlives them: `leads`, by the days that the tables have.
]];

/// The version that says so.
pub(super) const LEADS: u32 = 5;

/// The column that a statement adds, after its table: of that, unlike of a table, only one of the databases can be told
/// that it may be there already.
pub(super) fn added(statement: &str) -> Option<(&str, &str)> {
    let (table, column) = statement.strip_prefix("ALTER TABLE ")?.split_once(" ADD ")?;
    Some((table, column.split(' ').next()?))
}

/// What the tables of a class of fixes are called; others have something behind that.
pub(super) const fn fix_table(class: FixClass) -> &'static str {
    match class {
        // As it was called before there were classes.
        FixClass::Standard => "fix",
        FixClass::Short => "fix_short",
        FixClass::Long => "fix_long",
    }
}

/// The version and the days that the tables of a class were made with.
pub(super) const fn made(class: FixClass) -> (u32, u32) {
    match class {
        FixClass::Standard => (1, 30),
        FixClass::Short => (4, 7),
        FixClass::Long => (4, 365),
    }
}

/// What follows from the retention of a class of fixes: 20 to 40 windows, and the tables' time to live. Both at once, as
/// ScyllaDB refuses a life of more than 50 windows.
pub(super) fn retention(class: FixClass, days: u32) -> Vec<String> {
    let table = fix_table(class);
    let seconds = u64::from(days) * 24 * 60 * 60;
    let hours = (u64::from(days) * 24).div_ceil(40).max(1);
    let (unit, size) = if hours < 24 { ("HOURS", hours) } else { ("DAYS", hours.div_ceil(24)) };
    let fix = format!(
        "ALTER TABLE {table} WITH compaction = {{'class': 'TimeWindowCompactionStrategy', \
         'compaction_window_unit': '{unit}', 'compaction_window_size': '{size}'}} \
         AND default_time_to_live = {seconds}"
    );
    let latest = format!("ALTER TABLE {table}_latest WITH default_time_to_live = {seconds}");
    [fix, latest].into_iter().chain(leads(class, days)).collect()
}

/// What leads to a partition of fixes is written with the first of them, and the last of them comes hours later: it lives a
/// day longer than they do, so that none of them is out of reach before its time.
pub(super) fn leads(class: FixClass, days: u32) -> [String; 3] {
    let (table, seconds) = (fix_table(class), (u64::from(days) + 1) * 24 * 60 * 60);
    ["bucket", "agent", "org"]
        .map(|what| format!("ALTER TABLE {table}_{what} WITH default_time_to_live = {seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_suit_the_retention() {
        for (days, expected) in [
            (1, "'HOURS', 'compaction_window_size': '1'"),
            (7, "'HOURS', 'compaction_window_size': '5'"),
            (30, "'HOURS', 'compaction_window_size': '18'"),
            (365, "'DAYS', 'compaction_window_size': '10'"),
        ] {
            let statements = retention(FixClass::Standard, days);
            assert!(statements[0].contains(expected), "{days}: {}", statements[0]);
            let lives = [days, days, days + 1, days + 1, days + 1];
            assert_eq!(statements.len(), lives.len());
            for (statement, days) in statements.iter().zip(lives) {
                let life = format!("default_time_to_live = {}", days * 86_400);
                assert!(statement.ends_with(&life), "{statement}");
            }
        }
    }

    #[test]
    fn classes_are_made_as_they_are_altered() {
        for class in FixClass::ALL {
            let (version, days) = made(class);
            let life = format!("default_time_to_live = {}", days * 86_400);
            let tables: Vec<_> = MIGRATIONS[version as usize - 1]
                .iter()
                .filter(|table| {
                    let name = table.split(' ').nth(5).unwrap();
                    name == fix_table(class) || name.starts_with(&format!("{}_", fix_table(class)))
                })
                .collect();
            assert_eq!(tables.len(), 5, "{class:?}");
            assert!(tables.iter().all(|table| table.contains(&life)), "{class:?}");
            assert_eq!(retention(class, days).len(), 5);
        }
    }

    #[test]
    fn nothing_that_one_of_the_databases_lacks() {
        for statement in MIGRATIONS.concat() {
            let twice = statement.starts_with("CREATE TABLE IF NOT EXISTS ") || added(statement).is_some();
            assert!(twice, "{statement}");
            for word in ["counter_", "MATERIALIZED", "INDEX", "tablets", "SizeTiered"] {
                assert!(!statement.contains(word), "{statement}");
            }
        }
    }
}
