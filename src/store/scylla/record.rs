//! The record shape: versioned values by key.
//!
//! A record's version is moved by a conditional write that carries the value along. What was deleted or has expired
//! leaves its row with the version; the value's own time to live frees its space.

use bytes::Bytes;
use fanfare_proto::UnixMs;

use super::{
    db::{Db, Settled},
    topic,
    value::{int, limit as limit_of, nat, random},
};
use crate::id::Tenant;
use crate::store::{Put, Record, RecordKind, Slot, StoreError};

/// Records asked for at once.
const CHUNK: usize = 500;
/// How long a value outlives its record: nobody's clock is that far behind.
const GRACE: u64 = 24 * 60 * 60;
/// What lives longer than these seconds, a year, is not freed by itself. Cassandra refuses what would end after January
/// 2038 unless its files are of the newest form.
const LONGEST: u64 = 31_536_000;

type Row = (Option<i64>, Option<i64>, Option<bool>, Option<i64>, Option<Vec<u8>>);

/// A row, which may be no record any more.
struct Found {
    version: u64,
    op: i64,
    expires: Option<u64>,
    value: Option<Bytes>,
}

impl Found {
    fn new((version, op, gone, expires, value): Row) -> Self {
        // An empty value may come back as none: `gone` tells them apart.
        let value = (gone == Some(false)).then(|| Bytes::from(value.unwrap_or_default()));
        Self { version: version.map_or(0, nat), op: op.unwrap_or(0), expires: expires.map(nat), value }
    }

    fn record(self, now: UnixMs) -> Option<Record> {
        let live = self.expires.is_none_or(|expires| now.0 < expires);
        let version = self.version;
        self.value.filter(|_| live).map(|value| Record { version, value })
    }
}

type Place<'a> = (&'a str, &'a str, &'a str, &'a str);

fn place(slot: &Slot) -> Place<'_> {
    (slot.org.as_str(), slot.kind.as_str(), &slot.partition, &slot.key)
}

pub(super) async fn get(db: &Db, slot: &Slot, now: UnixMs) -> Result<Option<Record>, StoreError> {
    let row: Option<Row> = db.row(&db.s.record, place(slot)).await?;
    Ok(row.and_then(|row| Found::new(row).record(now)))
}

pub(super) async fn put(
    db: &Db,
    slot: &Slot,
    expect: Option<u64>,
    put: &Put,
    now: UnixMs,
) -> Result<u64, StoreError> {
    let op = random().cast_signed();
    let mut statement = &db.s.record;
    // The version that an attempt of ours may have led to.
    let mut ours = None;
    loop {
        let found = db.row::<Row>(statement, place(slot)).await?.map(Found::new);
        let used = found.as_ref().map_or(0, |found| found.version);
        if let Some(found) = &found
            && found.op == op
            && ours == Some(found.version)
        {
            return Ok(used);
        }
        let actual = found.and_then(|found| found.record(now)).map(|record| record.version);
        if actual != expect {
            return Err(StoreError::Conflict { actual: actual.unwrap_or(0) });
        }
        match write(db, slot, used, op, put, now).await? {
            Settled::Applied => return Ok(used + 1),
            Settled::Refused => {}
            Settled::Unclear => ours = Some(used + 1),
        }
        // What refused it is known now, and may still be on its way to those who ask less strictly.
        statement = &db.s.record_serial;
    }
}

async fn write(
    db: &Db,
    slot: &Slot,
    used: u64,
    op: i64,
    put: &Put,
    now: UnixMs,
) -> Result<Settled, StoreError> {
    let (org, kind, part, key) = place(slot);
    let (version, gone) = (int(used + 1), put.value.is_none());
    let expires = put.expires.filter(|_| !gone);
    let life = expires.map(|expires| expires.since(now) / 1_000 + GRACE).filter(|life| *life <= LONGEST);
    // 0: for good.
    let life = life.unwrap_or(0) as i32;
    let value = (life, put.value.as_deref(), org, kind, part, key);
    let expires = expires.map(|expires| int(expires.0));
    if used == 0 {
        let batch = topic::batch([&db.s.record_first, &db.s.record_value]);
        return db.settle_batch(&batch, &((version, op, gone, expires, org, kind, part, key), value)).await;
    }
    let batch = topic::batch([&db.s.record_next, &db.s.record_value]);
    db.settle_batch(&batch, &((version, op, gone, expires, org, kind, part, key, int(used)), value)).await
}

pub(super) async fn list(
    db: &Db,
    (org, kind, partition): (&Tenant, RecordKind, &str),
    after: Option<&str>,
    limit: usize,
    now: UnixMs,
) -> Result<Vec<(String, Record)>, StoreError> {
    type Keyed = (String, Option<i64>, Option<i64>, Option<bool>, Option<i64>, Option<Vec<u8>>);
    let (org, kind) = (org.as_str(), kind.as_str());
    let mut found = Vec::new();
    let mut last = after.map(str::to_owned);
    while found.len() < limit {
        let chunk = (limit - found.len()).min(CHUNK);
        let rows: Vec<Keyed> = match &last {
            Some(last) => db.rows(&db.s.records, (org, kind, partition, last, limit_of(chunk))).await?,
            None => db.rows(&db.s.records_all, (org, kind, partition, limit_of(chunk))).await?,
        };
        let end = rows.len() < chunk;
        for (key, version, op, gone, expires, value) in rows {
            last = Some(key.clone());
            found.extend(
                Found::new((version, op, gone, expires, value)).record(now).map(|record| (key, record)),
            );
        }
        if end {
            break;
        }
    }
    Ok(found)
}
