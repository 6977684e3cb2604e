//! The versions of records whose kind keeps them: written in the transaction of the put, read in pages.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};

use fanfare_proto::{UnixMs, UserId};

use super::{
    core::Core,
    value::{int, nat, text},
    writer::Database,
};
use crate::store::{History, Keep, Put, Slot, StoreError, Version, damage};

/// Adds a version to the history of a record, whose row is up to date but for what is kept. The versions beyond `keep`
/// go.
pub(super) fn add(connection: &Connection, slot: &Slot, keep: Keep, new: &Version) -> Result<(), StoreError> {
    let (org, kind) = (slot.org.as_str(), slot.kind.as_str());
    let Version { version, at, by, put } = new;
    connection
        .prepare_cached("INSERT INTO record_version VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            org,
            kind,
            slot.partition,
            slot.key,
            int(*version),
            int(at.0),
            by.as_ref().map(UserId::as_str),
            put.expires.map(|expires| int(expires.0)),
            put.value.as_deref()
        ])?;
    let (mut oldest, mut kept) = connection
        .prepare_cached(
            "SELECT oldest, kept FROM record WHERE org = ?1 AND kind = ?2 AND part = ?3 AND key = ?4",
        )?
        .query_row(params![org, kind, slot.partition, slot.key], |row| Ok((nat(row, 0)?, nat(row, 1)?)))?;
    kept += put.value.as_ref().map_or(0, Bytes::len) as u64;
    let mut size = connection.prepare_cached(
        "SELECT ifnull(length(value), 0) FROM record_version
         WHERE org = ?1 AND kind = ?2 AND part = ?3 AND key = ?4 AND version = ?5",
    )?;
    let mut remove = connection.prepare_cached(
        "DELETE FROM record_version
         WHERE org = ?1 AND kind = ?2 AND part = ?3 AND key = ?4 AND version = ?5",
    )?;
    while oldest < *version && (kept > keep.bytes || version - oldest >= keep.versions) {
        let place = params![org, kind, slot.partition, slot.key, int(oldest)];
        kept -= size.query_row(place, |row| nat(row, 0))?.min(kept);
        remove.execute(place)?;
        oldest += 1;
    }
    connection
        .prepare_cached(
            "UPDATE record SET oldest = ?5, kept = ?6
             WHERE org = ?1 AND kind = ?2 AND part = ?3 AND key = ?4",
        )?
        .execute(params![org, kind, slot.partition, slot.key, int(oldest), int(kept)])?;
    Ok(())
}

pub(super) fn history(
    connection: &Connection,
    slot: &Slot,
    after: u64,
    limit: usize,
    max_bytes: usize,
) -> Result<History, StoreError> {
    let (org, kind) = (slot.org.as_str(), slot.kind.as_str());
    let ends = connection
        .prepare_cached(
            "SELECT oldest, version FROM record WHERE org = ?1 AND kind = ?2 AND part = ?3 AND key = ?4",
        )?
        .query_row(params![org, kind, slot.partition, slot.key], |row| Ok((nat(row, 0)?, nat(row, 1)?)))
        .optional()?;
    let Some((first, last)) = ends.filter(|_| slot.kind.keep().is_some()) else {
        return Ok(History::NONE);
    };
    let mut statement = connection.prepare_cached(
        "SELECT version, at, by, expires, value FROM record_version
         WHERE org = ?1 AND kind = ?2 AND part = ?3 AND key = ?4 AND version > ?5 ORDER BY version LIMIT ?6",
    )?;
    let mut rows =
        statement.query(params![org, kind, slot.partition, slot.key, int(after), int(limit as u64)])?;
    let (mut versions, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let by: Option<String> = row.get(2)?;
        let place = || format!("{org} {kind} {} {}", slot.partition, slot.key);
        let by = by.and_then(|_| damage::readable("author of a version", place, text(row, 2)));
        let expires: Option<i64> = row.get(3)?;
        let expires = if expires.is_some() { Some(UnixMs(nat(row, 3)?)) } else { None };
        let value: Option<Vec<u8>> = row.get(4)?;
        bytes += value.as_ref().map_or(0, Vec::len);
        if bytes > max_bytes && !versions.is_empty() {
            break;
        }
        let put = Put { value: value.map(Bytes::from), expires };
        versions.push(Version { version: nat(row, 0)?, at: UnixMs(nat(row, 1)?), by, put });
    }
    Ok(History { first, last, versions })
}

/// Makes a record's row without a value, unless it has one.
pub(super) fn begin(core: &mut Core, slot: &Slot, last: u64) -> Result<(), StoreError> {
    core.connection()
        .prepare_cached(
            "INSERT INTO record (org, kind, part, key, version, oldest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            slot.org.as_str(),
            slot.kind.as_str(),
            slot.partition,
            slot.key,
            int(last),
            int(last + 1)
        ])?;
    Ok(())
}
