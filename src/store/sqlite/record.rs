//! The record shape: versioned values by key.

use bytes::Bytes;
use fanfare_proto::{UnixMs, UserId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    core::Core,
    history,
    value::{int, nat},
    writer::Database,
};
use crate::id::Tenant;
use crate::store::{Put, Record, RecordKind, Slot, StoreError, Version, damage};

/// What a write costs in the writer's queue.
pub(super) fn size(slot: &Slot, put: &Put) -> usize {
    128 + slot.partition.len() + slot.key.len() + put.value.as_ref().map_or(0, Bytes::len)
}

/// A row, which may be no record any more.
struct Found {
    version: u64,
    expires: Option<u64>,
    value: Option<Bytes>,
}

impl Found {
    fn record(self, now: UnixMs) -> Option<Record> {
        let live = self.expires.is_none_or(|expires| now.0 < expires);
        let version = self.version;
        self.value.filter(|_| live).map(|value| Record { version, value })
    }
}

pub(super) fn get(connection: &Connection, slot: &Slot, now: UnixMs) -> Result<Option<Record>, StoreError> {
    Ok(find(connection, slot)?.and_then(|found| found.record(now)))
}

pub(super) fn put(
    core: &mut Core,
    slot: &Slot,
    expect: Option<u64>,
    put: Put,
    by: Option<UserId>,
    now: UnixMs,
) -> Result<u64, StoreError> {
    let connection = core.connection();
    let found = find(connection, slot)?;
    let used = found.as_ref().map_or(0, |found| found.version);
    let actual = found.and_then(|found| found.record(now)).map(|record| record.version);
    if actual != expect {
        return Err(StoreError::Conflict { actual: actual.unwrap_or(0) });
    }
    // A deleted record leaves its version, so the next value goes on from there.
    let version = used + 1;
    let expires = put.value.as_ref().and(put.expires).map(|expires| int(expires.0));
    connection
        .prepare_cached(
            "INSERT INTO record (org, kind, part, key, version, expires, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET version = ?5, expires = ?6, value = ?7",
        )?
        .execute(params![
            slot.org.as_str(),
            slot.kind.as_str(),
            slot.partition,
            slot.key,
            int(version),
            expires,
            put.value.as_deref()
        ])?;
    if let Some(keep) = slot.kind.keep() {
        let put = Put { expires: put.value.as_ref().and(put.expires), ..put };
        history::add(connection, slot, keep, &Version { version, at: now, by, put })?;
    }
    Ok(version)
}

pub(super) fn list(
    connection: &Connection,
    org: &Tenant,
    kind: RecordKind,
    partition: &str,
    after: Option<&str>,
    limit: usize,
    now: UnixMs,
) -> Result<Vec<(String, Record)>, StoreError> {
    // No key sorts before the empty one, which would not come "after" itself.
    let bound = if after.is_some() { "key > ?4" } else { "key >= ?4" };
    let sql = format!(
        "SELECT version, expires, value, key FROM record
         WHERE org = ?1 AND kind = ?2 AND part = ?3 AND {bound}
           AND value IS NOT NULL AND (expires IS NULL OR expires > ?5)
         ORDER BY key"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let after = after.unwrap_or_default();
    let mut rows = statement.query(params![org.as_str(), kind.as_str(), partition, after, int(now.0)])?;
    let mut records = Vec::new();
    // Until there are enough that can be read: a page that is not full is taken for the last.
    while records.len() < limit
        && let Some(row) = rows.next()?
    {
        let entry = || -> rusqlite::Result<(String, Found)> { Ok((row.get(3)?, found(row)?)) };
        let place = || format!("{org} {} {partition} {:?}", kind.as_str(), row.get::<_, String>(3));
        let Some((key, found)) = damage::readable("record", place, entry()) else { continue };
        records.extend(found.record(now).map(|record| (key, record)));
    }
    Ok(records)
}

fn find(connection: &Connection, slot: &Slot) -> rusqlite::Result<Option<Found>> {
    connection
        .prepare_cached(
            "SELECT version, expires, value FROM record WHERE org = ?1 AND kind = ?2 AND part = ?3 AND key = ?4",
        )?
        .query_row(params![slot.org.as_str(), slot.kind.as_str(), slot.partition, slot.key], found)
        .optional()
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let expires = if row.get_ref(1)? == rusqlite::types::ValueRef::Null { None } else { Some(nat(row, 1)?) };
    let value: Option<Vec<u8>> = row.get(2)?;
    Ok(Found { version: nat(row, 0)?, expires, value: value.map(Bytes::from) })
}
