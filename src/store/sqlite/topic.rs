//! The row of a topic: found by name, created with its first write, never deleted.

use fanfare_proto::{Epoch, Seq, UnixMs};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::value::{int, nat};
use crate::{id::Topic, store::Head};

#[derive(Clone, Copy)]
pub(super) struct TopicRow {
    pub(super) id: i64,
    pub(super) head: u64,
    pub(super) first: u64,
    pub(super) count: u64,
}

impl TopicRow {
    pub(super) fn to_head(self, connection: &Connection, epoch: Epoch) -> rusqlite::Result<Head> {
        let at = if self.first <= self.head { self.newest(connection)? } else { None };
        Ok(Head { epoch, seq: Seq(self.head), first: Seq(self.first), count: self.count, at })
    }

    /// The time of the newest event.
    fn newest(self, connection: &Connection) -> rusqlite::Result<Option<UnixMs>> {
        connection
            .prepare_cached("SELECT at FROM event WHERE topic = ?1 AND seq = ?2")?
            // A time that cannot be is none.
            .query_row(params![self.id, int(self.head)], |row| Ok(nat(row, 0).ok().map(UnixMs)))
            .optional()
            .map(Option::flatten)
    }
}

pub(super) fn find(connection: &Connection, topic: &Topic) -> rusqlite::Result<Option<TopicRow>> {
    connection
        .prepare_cached("SELECT id, head, first, count FROM topic WHERE org = ?1 AND kind = ?2 AND key = ?3")?
        .query_row(names(topic), row)
        .optional()
}

pub(super) fn by_id(connection: &Connection, id: i64) -> rusqlite::Result<Option<TopicRow>> {
    connection
        .prepare_cached("SELECT id, head, first, count FROM topic WHERE id = ?1")?
        .query_row([id], row)
        .optional()
}

pub(super) fn find_or_create(connection: &Connection, topic: &Topic) -> rusqlite::Result<TopicRow> {
    if let Some(row) = find(connection, topic)? {
        return Ok(row);
    }
    connection
        .prepare_cached("INSERT INTO topic (org, kind, key) VALUES (?1, ?2, ?3)")?
        .execute(names(topic))?;
    Ok(TopicRow { id: connection.last_insert_rowid(), head: 0, first: 1, count: 0 })
}

/// Bytes that a topic's name takes, for the bounds of queues.
pub(super) fn size(topic: &Topic) -> usize {
    topic.org.as_str().len() + topic.name.key.as_str().len()
}

fn names(topic: &Topic) -> [&str; 3] {
    [topic.org.as_str(), topic.name.kind.as_str(), topic.name.key.as_str()]
}

fn row(row: &Row<'_>) -> rusqlite::Result<TopicRow> {
    Ok(TopicRow { id: row.get(0)?, head: nat(row, 1)?, first: nat(row, 2)?, count: nat(row, 3)? })
}
