//! The mark shape: how far a user has got in a topic. The two kinds advance independently of each other.

use fanfare_proto::{Seq, UserId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    core::Core,
    topic,
    value::{int, nat, text},
    writer::Database,
};
use crate::{
    id::Topic,
    store::{Mark, MarkKind, Position, StoreError, damage},
};

pub(super) fn mark(
    core: &mut Core,
    topic: &Topic,
    user: &UserId,
    kind: MarkKind,
    to: Position,
) -> Result<Mark, StoreError> {
    let connection = core.connection();
    let topic = topic::find_or_create(connection, topic)?.id;
    let mut mark = find(connection, topic, user)?;
    let position = match kind {
        MarkKind::Delivered => &mut mark.delivered,
        MarkKind::Read => &mut mark.read,
    };
    if to <= *position {
        return Ok(mark);
    }
    *position = to;
    connection
        .prepare_cached(
            "INSERT INTO mark (topic, user, delivered, delivered_count, read, read_count)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
             delivered = ?3, delivered_count = ?4, read = ?5, read_count = ?6",
        )?
        .execute(params![
            topic,
            user.as_str(),
            int(mark.delivered.seq.0),
            int(mark.delivered.count),
            int(mark.read.seq.0),
            int(mark.read.count)
        ])?;
    Ok(mark)
}

pub(super) fn marks(connection: &Connection, topic: &Topic) -> Result<Vec<(UserId, Mark)>, StoreError> {
    let Some(row) = topic::find(connection, topic)? else {
        return Ok(Vec::new());
    };
    let mut statement = connection.prepare_cached(
        "SELECT delivered, delivered_count, read, read_count, user FROM mark WHERE topic = ?1 ORDER BY user",
    )?;
    let mut rows = statement.query([row.id])?;
    let mut marks = Vec::new();
    while let Some(row) = rows.next()? {
        let mark = text(row, 4).and_then(|user| Ok((user, columns(row)?)));
        marks.extend(damage::readable("mark", || topic.to_string(), mark));
    }
    Ok(marks)
}

pub(super) fn marks_of(
    connection: &Connection,
    user: &UserId,
    topics: &[Topic],
) -> Result<Vec<Mark>, StoreError> {
    let of = |topic| match topic::find(connection, topic)? {
        Some(topic) => Ok(find(connection, topic.id, user)?),
        None => Ok(Mark::default()),
    };
    topics.iter().map(of).collect()
}

fn find(connection: &Connection, topic: i64, user: &UserId) -> rusqlite::Result<Mark> {
    connection
        .prepare_cached(
            "SELECT delivered, delivered_count, read, read_count FROM mark WHERE topic = ?1 AND user = ?2",
        )?
        .query_row(params![topic, user.as_str()], |row| {
            Ok(damage::readable("mark", || format!("topic {topic}, {user}"), columns(row)))
        })
        .optional()
        .map(|found| found.flatten().unwrap_or_default())
}

fn columns(row: &Row<'_>) -> rusqlite::Result<Mark> {
    let position = |column| -> rusqlite::Result<Position> {
        Ok(Position { seq: Seq(nat(row, column)?), count: nat(row, column + 1)? })
    };
    Ok(Mark { delivered: position(0)?, read: position(2)? })
}
