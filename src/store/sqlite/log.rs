//! The log shape: append, read, heads, amend.

use std::collections::HashMap;

use bytes::Bytes;
use fanfare_proto::{ClientId, Epoch, Seq, UnixMs, UserId};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::{
    core::{Batch, Core},
    topic::{self, TopicRow},
    value::{int, nat, text},
    writer::Database,
};
use crate::{
    id::Topic,
    store::{Append, Appended, Event, From, Head, NewEvent, Outcome, Page, StoreError, damage::Known},
};

/// What an append costs in the writer's queue.
pub(super) fn size(append: &Append) -> usize {
    let event = |event: &NewEvent| 64 + event.data.len() + event.name.len() + event.author.as_str().len();
    128 + topic::size(&append.topic) + append.events.iter().map(event).sum::<usize>()
}

/// Decides first which events are new, so that nothing is written if the expected head is not the head.
pub(super) fn append(core: &mut Core, append: Append) -> Result<Appended, StoreError> {
    let epoch = core.epoch;
    let connection = core.connection();
    let found = topic::find(connection, &append.topic)?;
    let (outcomes, fresh) = decide(connection, found, &append.events)?;
    let new_events =
        append.events.into_iter().zip(&fresh).filter_map(|(event, fresh)| fresh.then_some(event));
    let new_events: Vec<NewEvent> = new_events.collect();
    if new_events.is_empty() {
        return Ok(Appended { epoch, outcomes });
    }
    let head = found.map_or(0, |row| row.head);
    if append.expect.is_some_and(|expect| expect.0 != head) {
        return Err(StoreError::Conflict { actual: head });
    }
    let row = match found {
        Some(row) => row,
        None => topic::find_or_create(connection, &append.topic)?,
    };
    let events = write(connection, row, new_events)?;
    core.publish(Batch { topic: append.topic, audience: append.audience, events });
    Ok(Appended { epoch, outcomes })
}

/// Each event's outcome, and whether it is still to be written.
fn decide(
    connection: &Connection,
    row: Option<TopicRow>,
    events: &[NewEvent],
) -> rusqlite::Result<(Vec<Outcome>, Vec<bool>)> {
    let mut earlier = connection.prepare_cached(
        // Left to choose, SQLite walks the whole topic backwards, as that is in order.
        "SELECT seq, at, count FROM event INDEXED BY event_request
         WHERE topic = ?1 AND author = ?2 AND client_id = ?3 ORDER BY seq DESC LIMIT 1",
    )?;
    let (mut seq, mut count) = row.map_or((0, 0), |row| (row.head, row.count));
    let mut outcomes = Vec::with_capacity(events.len());
    let mut fresh = Vec::with_capacity(events.len());
    let mut here: HashMap<(&UserId, &ClientId), Outcome> = HashMap::new();
    for event in events {
        let stored = match (here.get(&(&event.author, &event.client_id)), row) {
            (Some(first), _) => Some(*first),
            (None, Some(row)) => stored(&mut earlier, row.id, event)?,
            (None, None) => None,
        };
        fresh.push(stored.is_none());
        outcomes.push(stored.unwrap_or_else(|| {
            seq += 1;
            count += u64::from(event.countable);
            let outcome = Outcome { seq: Seq(seq), at: event.at, count, duplicate: false };
            if events.len() > 1 {
                here.insert((&event.author, &event.client_id), Outcome { duplicate: true, ..outcome });
            }
            outcome
        }));
    }
    Ok((outcomes, fresh))
}

fn stored(
    earlier: &mut CachedStatement<'_>,
    topic: i64,
    event: &NewEvent,
) -> rusqlite::Result<Option<Outcome>> {
    let outcome = |row: &Row<'_>| {
        let (seq, at, count) = (Seq(nat(row, 0)?), UnixMs(nat(row, 1)?), nat(row, 2)?);
        Ok(Outcome { seq, at, count, duplicate: true })
    };
    earlier.query_row(params![topic, event.author.as_str(), event.client_id.as_str()], outcome).optional()
}

fn write(connection: &Connection, row: TopicRow, events: Vec<NewEvent>) -> rusqlite::Result<Vec<Event>> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO event (topic, seq, at, count, author, client_id, name, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let (mut seq, mut count) = (row.head, row.count);
    let mut written = Vec::with_capacity(events.len());
    for event in events {
        seq += 1;
        count += u64::from(event.countable);
        let NewEvent { author, client_id, at, name, data, countable: _ } = event;
        insert.execute(params![
            row.id,
            int(seq),
            int(at.0),
            int(count),
            author.as_str(),
            client_id.as_str(),
            name,
            &data[..]
        ])?;
        written.push(Event { seq: Seq(seq), author, client_id, at, name, data, count, revision: 0 });
    }
    connection.prepare_cached("UPDATE topic SET head = ?2, count = ?3 WHERE id = ?1")?.execute(params![
        row.id,
        int(seq),
        int(count)
    ])?;
    Ok(written)
}

pub(super) fn read(
    connection: &Connection,
    epoch: Epoch,
    topic: &Topic,
    from: From,
    limit: usize,
    max_bytes: usize,
) -> Result<Page, StoreError> {
    const COLUMNS: &str = "SELECT seq, author, client_id, at, name, data, count, revision FROM event";
    let Some(row) = topic::find(connection, topic)? else {
        return Ok(Page { head: Head::empty(epoch), events: Vec::new(), more: false });
    };
    // Both bounds are exclusive. What lies before `first` has expired, although its row may still be there.
    let (after, before, rising) = match from {
        From::After(seq) => (seq.0.max(row.first.saturating_sub(1)), u64::MAX, true),
        From::Before(seq) => (row.first.saturating_sub(1), seq.0, false),
        From::Latest => (row.first.saturating_sub(1), u64::MAX, false),
    };
    let order = if rising { "ASC" } else { "DESC" };
    let sql = format!("{COLUMNS} WHERE topic = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq {order}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![row.id, int(after), int(before)])?;
    let (mut events, mut bytes, mut more) = (Vec::new(), 0, false);
    while let Some(next) = rows.next()? {
        let size = next.get_ref(5)?.as_blob().map_or(0, <[u8]>::len);
        if events.len() >= limit || (!events.is_empty() && bytes + size > max_bytes) {
            more = true;
            break;
        }
        bytes += size;
        let seq = Seq(nat(next, 0)?);
        let unreadable = |why: rusqlite::Error| Event::unreadable(topic, seq, known(next), &why);
        events.push(event(next).unwrap_or_else(unreadable));
    }
    if !rising {
        events.reverse();
    }
    Ok(Page { head: row.to_head(connection, epoch)?, events, more })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        seq: Seq(nat(row, 0)?),
        author: text(row, 1)?,
        client_id: text(row, 2)?,
        at: UnixMs(nat(row, 3)?),
        name: row.get(4)?,
        data: Bytes::copy_from_slice(row.get_ref(5)?.as_blob().map_err(rusqlite::Error::from)?),
        count: nat(row, 6)?,
        revision: row.get(7)?,
    })
}

/// What can be told of a row that does not decode.
fn known(row: &Row<'_>) -> Known {
    let at = UnixMs(nat(row, 3).unwrap_or_default());
    Known {
        author: text(row, 1).ok(),
        client_id: text(row, 2).ok(),
        at,
        count: nat(row, 6).unwrap_or_default(),
    }
}

pub(super) fn heads(
    connection: &Connection,
    epoch: Epoch,
    topics: &[Topic],
) -> Result<Vec<Head>, StoreError> {
    let head = |topic| match topic::find(connection, topic)? {
        Some(row) => Ok(row.to_head(connection, epoch)?),
        None => Ok(Head::empty(epoch)),
    };
    topics.iter().map(head).collect()
}

pub(super) fn amend(
    core: &mut Core,
    topic: &Topic,
    seq: Seq,
    revision: u32,
    name: &str,
    data: &[u8],
) -> Result<u32, StoreError> {
    let connection = core.connection();
    let row = topic::find(connection, topic)?.filter(|row| seq.0 >= row.first && seq.0 <= row.head);
    let row = row.ok_or(StoreError::NotFound)?;
    let actual: u32 = connection
        .prepare_cached("SELECT revision FROM event WHERE topic = ?1 AND seq = ?2")?
        .query_row(params![row.id, int(seq.0)], |row| row.get(0))?;
    if actual != revision {
        return Err(StoreError::Conflict { actual: u64::from(actual) });
    }
    let next = revision.saturating_add(1);
    connection
        .prepare_cached("UPDATE event SET name = ?3, data = ?4, revision = ?5 WHERE topic = ?1 AND seq = ?2")?
        .execute(params![row.id, int(seq.0), name, data, next])?;
    Ok(next)
}
