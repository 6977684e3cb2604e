//! Retention of logs. Runs in small steps, so that appends wait for one of them at most.
//!
//! An expired event loses its content and can no longer be read. Its row stays for another day to know repetitions
//! by, and goes with the first expiry whose limit lies a day past it: as that limit is never later than now, a
//! repetition is known for at least 24 h whatever the kind's retention.

use fanfare_proto::{TopicKind, UnixMs};
use rusqlite::{Connection, params};

use super::{
    core::Core,
    topic,
    value::{int, nat},
    writer::Database,
};
use crate::store::StoreError;

/// Topics looked at in one read.
const TOPICS: i64 = 1_000;
/// Rows changed in one write.
const ROWS: usize = 250;
/// How much longer repetitions are known.
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// Part of the topics of a kind.
pub(super) struct Found {
    /// Those with something to remove.
    pub(super) topics: Vec<i64>,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<i64>,
}

pub(super) fn find(
    connection: &Connection,
    kind: TopicKind,
    after: i64,
    before: UnixMs,
) -> Result<Found, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id,
                (SELECT at FROM event WHERE topic = id AND seq = first),
                (SELECT at FROM event WHERE topic = id AND seq < first ORDER BY seq LIMIT 1)
         FROM topic WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = statement.query(params![kind.as_str(), after, TOPICS])?;
    let (mut topics, mut last, mut seen) = (Vec::new(), after, 0);
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        seen += 1;
        let oldest: Option<i64> = row.get(1)?;
        let kept: Option<i64> = row.get(2)?;
        let due = |at: Option<i64>, limit: u64| at.is_some_and(|at| at < int(limit));
        if due(oldest, before.0) || due(kept, before.0.saturating_sub(DAY)) {
            topics.push(last);
        }
    }
    Ok(Found { topics, next: (seen == TOPICS).then_some(last) })
}

/// What one step came to.
pub(super) struct Step {
    /// Events that can no longer be read.
    pub(super) expired: u64,
    /// There may be more to do in this topic.
    pub(super) more: bool,
}

pub(super) fn step(core: &mut Core, topic: i64, before: UnixMs) -> Result<Step, StoreError> {
    let connection = core.connection();
    let Some(row) = topic::by_id(connection, topic)? else {
        return Ok(Step { expired: 0, more: false });
    };
    // Only from the front: an event behind one that stays must stay as well.
    let expired = front(connection, topic, row.first, u64::MAX, before.0)?;
    if let Some(last) = expired.last {
        let range = params![topic, int(row.first), int(last)];
        exec(
            connection,
            "UPDATE event SET name = '', data = x'' WHERE topic = ?1 AND seq BETWEEN ?2 AND ?3",
            range,
        )?;
        let texts = "DELETE FROM text_index WHERE rowid IN
                     (SELECT id FROM text_entry WHERE topic = ?1 AND seq BETWEEN ?2 AND ?3)";
        exec(connection, texts, range)?;
        exec(connection, "DELETE FROM text_entry WHERE topic = ?1 AND seq BETWEEN ?2 AND ?3", range)?;
        exec(connection, "UPDATE topic SET first = ?2 WHERE id = ?1", params![topic, int(last + 1)])?;
    }
    let first = expired.last.map_or(row.first, |last| last + 1);
    let forgotten = front(connection, topic, 0, first, before.0.saturating_sub(DAY))?;
    if let Some(last) = forgotten.last {
        exec(connection, "DELETE FROM event WHERE topic = ?1 AND seq <= ?2", params![topic, int(last)])?;
    }
    Ok(Step { expired: expired.rows as u64, more: expired.rows == ROWS || forgotten.rows == ROWS })
}

struct Front {
    rows: usize,
    last: Option<u64>,
}

/// The unbroken run of events older than `before`, from position `from`, short of `until`.
fn front(connection: &Connection, topic: i64, from: u64, until: u64, before: u64) -> rusqlite::Result<Front> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, at FROM event WHERE topic = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq LIMIT ?4",
    )?;
    let mut rows = statement.query(params![topic, int(from), int(until), ROWS as i64])?;
    let mut front = Front { rows: 0, last: None };
    while let Some(row) = rows.next()? {
        if nat(row, 1)? >= before {
            break;
        }
        front.rows += 1;
        front.last = Some(nat(row, 0)?);
    }
    Ok(front)
}

/// Frees the values of records that had expired a day before `before`: nobody's clock is that far behind, so nobody
/// would still read them. Answers whether there may be more.
pub(super) fn records(core: &mut Core, before: UnixMs) -> Result<bool, StoreError> {
    let freed = exec(
        core.connection(),
        "UPDATE record SET value = NULL, expires = NULL WHERE (org, kind, part, key) IN
         (SELECT org, kind, part, key FROM record WHERE expires < ?1 LIMIT ?2)",
        params![int(before.0.saturating_sub(DAY)), ROWS as i64],
    )?;
    Ok(freed == ROWS)
}

fn exec(connection: &Connection, sql: &str, params: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}
