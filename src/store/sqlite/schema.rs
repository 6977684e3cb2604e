//! The tables, and how older files come to have them.
//!
//! Each entry of a list leads from the version of its index to the next; a file's version is its `user_version`.
//! Entries that were released never change: a change of the tables is a new entry.

use crate::store::FixClass;

/// `core.db`.
pub(super) const CORE: &[&str] = &["
-- 'epoch' is missing in a copy that is to begin a new one.
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Never deleted: a topic's positions go on from its head although all its events may have expired.
CREATE TABLE topic (
  id INTEGER PRIMARY KEY,
  org TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
  head INTEGER NOT NULL DEFAULT 0,  -- seq of the newest event
  first INTEGER NOT NULL DEFAULT 1, -- the oldest that can still be read
  count INTEGER NOT NULL DEFAULT 0, -- countable events so far
  UNIQUE (org, kind, key)
) STRICT;
CREATE INDEX topic_kind ON topic (kind);

-- A row before its topic's first is an expired event that stays a day longer, without its content, to know its
-- repetitions by. The columns that expiry looks at come before the large one.
CREATE TABLE event (
  topic INTEGER NOT NULL, seq INTEGER NOT NULL,
  at INTEGER NOT NULL, count INTEGER NOT NULL, revision INTEGER NOT NULL DEFAULT 0,
  author TEXT NOT NULL, client_id TEXT NOT NULL,
  name TEXT NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (topic, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX event_request ON event (topic, author, client_id);

-- A row without value is a record that was deleted or has expired: it keeps the version from starting again.
CREATE TABLE record (
  org TEXT NOT NULL, kind TEXT NOT NULL, part TEXT NOT NULL, key TEXT NOT NULL,
  version INTEGER NOT NULL, expires INTEGER, value BLOB,
  PRIMARY KEY (org, kind, part, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_expires ON record (expires) WHERE expires IS NOT NULL;

CREATE TABLE mark (
  topic INTEGER NOT NULL, user TEXT NOT NULL,
  delivered INTEGER NOT NULL DEFAULT 0, delivered_count INTEGER NOT NULL DEFAULT 0,
  read INTEGER NOT NULL DEFAULT 0, read_count INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (topic, user)
) STRICT, WITHOUT ROWID;

-- 'wake' is 'due', or the end of the lease of who took the timer.
CREATE TABLE timer (
  key TEXT PRIMARY KEY, due INTEGER NOT NULL, wake INTEGER NOT NULL, data BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX timer_wake ON timer (wake, key);

-- The id rises with the event's time, so that the index itself yields the newest first.
CREATE TABLE text_entry (
  id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, seq INTEGER NOT NULL, UNIQUE (topic, seq)
) STRICT;
CREATE VIRTUAL TABLE text_index USING fts5 (
  scope, words, content = '', contentless_delete = 1,
  tokenize = \"unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'\"
);
",
"
-- Of kinds that keep their history: the oldest version that is kept, and the bytes of all values that are.
ALTER TABLE record ADD COLUMN oldest INTEGER NOT NULL DEFAULT 1;
ALTER TABLE record ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;

-- A version without value is a deletion.
CREATE TABLE record_version (
  org TEXT NOT NULL, kind TEXT NOT NULL, part TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
  at INTEGER NOT NULL, by TEXT, expires INTEGER, value BLOB,
  PRIMARY KEY (org, kind, part, key, version)
) STRICT, WITHOUT ROWID;
",
"
-- A log that comes from another store may hold a request twice, more than a day apart.
DROP INDEX event_request;
CREATE INDEX event_request ON event (topic, author, client_id);
"];

/// `ticks.db`. The fixes of a day and class have a table of their own, made when the first one comes (see [`day_table`]).
pub(super) const TICKS: &[&str] = &[
    "
-- The days that have a table.
CREATE TABLE day (day INTEGER PRIMARY KEY) STRICT;

-- Every agent that has fixes, with the newest of them.
CREATE TABLE agent (
  id INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL, agent TEXT NOT NULL,
  time INTEGER NOT NULL, source INTEGER NOT NULL, counter INTEGER NOT NULL,
  lat INTEGER NOT NULL, lon INTEGER NOT NULL,
  accuracy INTEGER, speed INTEGER, heading INTEGER, battery INTEGER,
  UNIQUE (org, agent)
) STRICT;
CREATE INDEX agent_time ON agent (time);
",
    "
-- The days that have a table, by class.
CREATE TABLE class_day (
  class TEXT NOT NULL, day INTEGER NOT NULL, PRIMARY KEY (class, day)
) STRICT, WITHOUT ROWID;
INSERT INTO class_day SELECT 'standard', day FROM day;
DROP TABLE day;

-- The newest fix of every agent in each class.
CREATE TABLE newest (
  agent INTEGER NOT NULL, class TEXT NOT NULL,
  time INTEGER NOT NULL, source INTEGER NOT NULL, counter INTEGER NOT NULL,
  lat INTEGER NOT NULL, lon INTEGER NOT NULL,
  accuracy INTEGER, speed INTEGER, heading INTEGER, battery INTEGER,
  PRIMARY KEY (agent, class)
) STRICT, WITHOUT ROWID;
CREATE INDEX newest_time ON newest (class, time);
INSERT INTO newest
  SELECT id, 'standard', time, source, counter, lat, lon, accuracy, speed, heading, battery FROM agent;

-- Every agent that has fixes.
DROP INDEX agent_time;
ALTER TABLE agent DROP COLUMN time;
ALTER TABLE agent DROP COLUMN source;
ALTER TABLE agent DROP COLUMN counter;
ALTER TABLE agent DROP COLUMN lat;
ALTER TABLE agent DROP COLUMN lon;
ALTER TABLE agent DROP COLUMN accuracy;
ALTER TABLE agent DROP COLUMN speed;
ALTER TABLE agent DROP COLUMN heading;
ALTER TABLE agent DROP COLUMN battery;
",
];

/// What the table of a day's fixes of a class is called.
pub(super) fn fix_table(class: FixClass, day: i64) -> String {
    match class {
        // As it was called before there were classes.
        FixClass::Standard => format!("fix_{day}"),
        FixClass::Short | FixClass::Long => format!("fix_{}_{day}", class.as_str()),
    }
}

/// The table of a day's fixes, in the order in which tracks are read.
pub(super) fn day_table(class: FixClass, day: i64) -> String {
    let table = fix_table(class, day);
    format!(
        "CREATE TABLE {table} (
           agent INTEGER NOT NULL, time INTEGER NOT NULL, source INTEGER NOT NULL, counter INTEGER NOT NULL,
           lat INTEGER NOT NULL, lon INTEGER NOT NULL,
           accuracy INTEGER, speed INTEGER, heading INTEGER, battery INTEGER,
           PRIMARY KEY (agent, time, source, counter)
         ) STRICT, WITHOUT ROWID"
    )
}
