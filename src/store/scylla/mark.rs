//! The mark shape: how far somebody has come. A mark is written with its position as the timestamp, so that the
//! database keeps the highest by itself, in whatever order they come.

use fanfare_proto::{Seq, UserId};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    db::Db,
    topic::names,
    value::{checked, int},
};
use crate::{
    id::Topic,
    store::{Mark, MarkKind, Position, StoreError, damage},
};

/// Topics looked up at once.
const TOPICS: usize = 64;

type Row = (String, Option<Vec<u8>>, Option<Vec<u8>>);

pub(super) async fn mark(
    db: &Db,
    topic: &Topic,
    user: &UserId,
    kind: MarkKind,
    to: Position,
) -> Result<Mark, StoreError> {
    let statement = match kind {
        MarkKind::Delivered => &db.s.mark_delivered,
        MarkKind::Read => &db.s.mark_read,
    };
    let (org, of, key) = names(topic);
    db.run(statement, (int(to.seq.0.saturating_add(1)), write(to), org, of, key, user.as_str())).await?;
    mark_of(db, topic, user).await
}

pub(super) async fn marks(db: &Db, topic: &Topic) -> Result<Vec<(UserId, Mark)>, StoreError> {
    let rows: Vec<Row> = db.rows(&db.s.marks, names(topic)).await?;
    let mark = |row: &Row| Ok::<_, StoreError>((checked(&row.0)?, read(row)?));
    let marks = rows.iter().map(|row| (mark(row), &row.0));
    Ok(marks
        .filter_map(|(mark, user)| damage::readable("mark", || format!("{topic} {user}"), mark))
        .collect())
}

pub(super) async fn marks_of(db: &Db, user: &UserId, topics: &[Topic]) -> Result<Vec<Mark>, StoreError> {
    let marks: Vec<_> = topics.iter().map(|topic| mark_of(db, topic, user)).collect();
    stream::iter(marks).buffered(TOPICS).try_collect().await
}

async fn mark_of(db: &Db, topic: &Topic, user: &UserId) -> Result<Mark, StoreError> {
    let (org, kind, key) = names(topic);
    let row: Option<Row> = db.row(&db.s.mark, (org, kind, key, user.as_str())).await?;
    let mark = row.and_then(|row| damage::readable("mark", || format!("{topic} {user}"), read(&row)));
    Ok(mark.unwrap_or_default())
}

fn read((_, delivered, read): &Row) -> Result<Mark, StoreError> {
    Ok(Mark { delivered: position(delivered.as_deref())?, read: position(read.as_deref())? })
}

/// Of two values with the same timestamp the larger stays: big end first, this is the one with the higher count.
fn write(position: Position) -> Vec<u8> {
    [position.seq.0.to_be_bytes(), position.count.to_be_bytes()].concat()
}

fn position(cell: Option<&[u8]>) -> Result<Position, StoreError> {
    let Some(cell) = cell else { return Ok(Position::default()) };
    let parts =
        cell.split_first_chunk::<8>().and_then(|(seq, rest)| Some((*seq, <[u8; 8]>::try_from(rest).ok()?)));
    let (seq, count) = parts.ok_or_else(|| StoreError::Corrupt("a mark of another length".to_owned()))?;
    Ok(Position { seq: Seq(u64::from_be_bytes(seq)), count: u64::from_be_bytes(count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_positions_are_larger_values() {
        let at = |seq, count| Position { seq: Seq(seq), count };
        for (lower, higher) in [(at(1, 300), at(2, 1)), (at(255, 9), at(256, 0)), (at(3, 255), at(3, 256))] {
            assert!(write(lower) < write(higher));
            assert_eq!(position(Some(&write(lower))), Ok(lower));
        }
        assert!(position(Some(&[1])).is_err());
    }
}
