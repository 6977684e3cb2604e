//! Lists of everything that there is.

use bytes::Bytes;
use fanfare_proto::{Seq, TopicKey, TopicKind, TopicName, UnixMs};
use rusqlite::{Connection, Row, params, types::Type};

use super::{
    core::Core,
    topic,
    value::{int, nat, tenant, text, wrong},
    writer::Database,
};
use crate::{
    id::Topic,
    store::{Entry, Event, Put, RecordKind, Roll, RollPage, Slot, StoreError, Timer, damage},
};

/// Each list is in the order of its table's rows; the place in it is a rowid, or an offset where there is none.
pub(super) fn roll(
    connection: &Connection,
    what: Roll,
    after: Option<&str>,
    limit: usize,
) -> Result<RollPage, StoreError> {
    let after: i64 = match after {
        Some(after) => after.parse().map_err(|_| StoreError::NotFound)?,
        None => 0,
    };
    let kept = RecordKind::ALL.iter().filter(|kind| kind.keep().is_some());
    let kept: Vec<_> = kept.map(|kind| format!("'{}'", kind.as_str())).collect();
    let kept = kept.join(", ");
    let (histories, records);
    let (sql, entry): (_, fn(&Row<'_>) -> rusqlite::Result<Entry>) = match what {
        Roll::Topics => ("SELECT id, org, kind, key FROM topic WHERE id > ?1 ORDER BY id LIMIT ?2", topic),
        Roll::Agents => ("SELECT id, org, agent FROM agent WHERE id > ?1 ORDER BY id LIMIT ?2", agent),
        Roll::Records => {
            records = format!(
                "SELECT 0, org, kind, part, key, expires, value FROM record
                 WHERE value IS NOT NULL AND kind NOT IN ({kept})
                 ORDER BY org, kind, part, key LIMIT ?2 OFFSET ?1"
            );
            (&records, record)
        }
        Roll::Histories => {
            histories = format!(
                "SELECT 0, org, kind, part, key FROM record WHERE kind IN ({kept})
                 ORDER BY org, kind, part, key LIMIT ?2 OFFSET ?1"
            );
            (&histories, history)
        }
        Roll::Timers => ("SELECT 0, key, due, data FROM timer ORDER BY key LIMIT ?2 OFFSET ?1", timer),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![after, int(limit as u64)])?;
    let (mut entries, mut last, mut any) = (Vec::new(), after, false);
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        (last, any) = (if id == 0 { last + 1 } else { id }, true);
        entries.extend(damage::readable("row", || format!("{what:?} {last}"), entry(row)));
    }
    let next = any.then(|| last.to_string());
    Ok(RollPage { entries, next })
}

/// Makes a topic's row, unless it has one.
pub(super) fn begin(core: &mut Core, topic: &Topic, first: Seq, count: u64) -> Result<(), StoreError> {
    let connection = core.connection();
    if topic::find(connection, topic)?.is_none() {
        let row = topic::find_or_create(connection, topic)?;
        connection
            .prepare_cached("UPDATE topic SET head = ?2, first = ?3, count = ?4 WHERE id = ?1")?
            .execute(params![row.id, int(first.0.saturating_sub(1)), int(first.0), int(count)])?;
    }
    Ok(())
}

/// Puts events at the end of a log as they were elsewhere.
pub(super) fn restore(core: &mut Core, topic: &Topic, events: &[Event]) -> Result<(), StoreError> {
    let connection = core.connection();
    let row = topic::find_or_create(connection, topic)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO event (topic, seq, at, count, revision, author, client_id, name, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let (mut seq, mut count) = (row.head, row.count);
    for event in events {
        if event.seq.0 != seq + 1 {
            return Err(StoreError::Conflict { actual: row.head });
        }
        (seq, count) = (event.seq.0, event.count);
        insert.execute(params![
            row.id,
            int(seq),
            int(event.at.0),
            int(count),
            event.revision,
            event.author.as_str(),
            event.client_id.as_str(),
            event.name,
            &event.data[..]
        ])?;
    }
    let advance = "UPDATE topic SET head = ?2, count = ?3 WHERE id = ?1";
    connection.prepare_cached(advance)?.execute(params![row.id, int(seq), int(count)])?;
    Ok(())
}

fn topic(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (kind, key): (TopicKind, TopicKey) = (text(row, 2)?, text(row, 3)?);
    Ok(Entry::Topic(Topic { org: tenant(row, 1)?, name: TopicName { kind, key } }))
}

fn agent(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (org, agent) = (tenant(row, 1)?, text(row, 2)?);
    Ok(Entry::Agent(org, agent))
}

fn slot(row: &Row<'_>) -> rusqlite::Result<Slot> {
    let kind: String = row.get(2)?;
    let kind = RecordKind::named(&kind).ok_or_else(|| wrong(2, Type::Text, StoreError::NotFound))?;
    Ok(Slot { org: tenant(row, 1)?, kind, partition: row.get(3)?, key: row.get(4)? })
}

fn history(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry::History(slot(row)?))
}

fn record(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let slot = slot(row)?;
    let expires: Option<i64> = row.get(5)?;
    let value: Vec<u8> = row.get(6)?;
    let expires = if expires.is_some() { Some(UnixMs(nat(row, 5)?)) } else { None };
    Ok(Entry::Record(slot, Put { value: Some(Bytes::from(value)), expires }))
}

fn timer(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let data: Vec<u8> = row.get(3)?;
    Ok(Entry::Timer(Timer { key: row.get(1)?, due: UnixMs(nat(row, 2)?), data: Bytes::from(data) }))
}
