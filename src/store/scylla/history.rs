//! Records whose kind keeps their history: a partition for each record, a row for each version.
//!
//! The record is its newest version. A static column holds which one that is; a version is added by one batch that is
//! conditional on it, so a version is in the history if and only if it was put. `kept_key` leads from the records'
//! partition to them; it is written before the first version, and may lead nowhere.

use bytes::Bytes;
use fanfare_proto::{UnixMs, UserId};
use futures::{StreamExt, TryStreamExt, stream};
use scylla::value::CqlValue;

use super::{
    db::{Db, Settled},
    topic,
    value::{checked, int, limit as limit_of, nat, random},
};
use crate::id::Tenant;
use crate::store::{History, Keep, Put, Record, RecordKind, Slot, StoreError, Version};

/// Versions read at once: their values may be large.
const CHUNK: usize = 8;
/// Versions that go with one that comes, at most.
const TRIM: usize = 100;
/// Keys listed at once.
const KEYS: usize = 500;
/// Records of a list read at once.
const AT_ONCE: usize = 32;

/// A record as it stands.
struct Found {
    last: u64,
    first: u64,
    bytes: u64,
    expires: Option<u64>,
    value: Option<Bytes>,
}

type Row = (Option<i64>, Option<i64>, Option<i64>, Option<bool>, Option<i64>, Option<Vec<u8>>);

impl Found {
    fn new((last, first, bytes, gone, expires, value): Row) -> Self {
        // An empty value may come back as none: `gone` tells them apart. Without a row there is none either.
        let value = (gone == Some(false)).then(|| Bytes::from(value.unwrap_or_default()));
        let number = |column: Option<i64>| column.map_or(0, nat);
        let (last, first, bytes) = (number(last), number(first), number(bytes));
        Self { last, first, bytes, expires: expires.map(nat), value }
    }

    fn record(&self, now: UnixMs) -> Option<Record> {
        let live = self.expires.is_none_or(|expires| now.0 < expires);
        self.value.clone().filter(|_| live).map(|value| Record { version: self.last, value })
    }
}

type Place<'a> = (&'a str, &'a str, &'a str, &'a str);

fn place(slot: &Slot) -> Place<'_> {
    (slot.org.as_str(), slot.kind.as_str(), &slot.partition, &slot.key)
}

pub(super) async fn get(db: &Db, slot: &Slot, now: UnixMs) -> Result<Option<Record>, StoreError> {
    let row: Option<Row> = db.row(&db.s.kept, place(slot)).await?;
    Ok(row.and_then(|row| Found::new(row).record(now)))
}

pub(super) async fn put(
    db: &Db,
    slot: &Slot,
    keep: Keep,
    expect: Option<u64>,
    put: &Put,
    by: Option<&UserId>,
    now: UnixMs,
) -> Result<u64, StoreError> {
    let op = random().cast_signed();
    let mut statement = &db.s.kept;
    loop {
        let found = db.row::<Row>(statement, place(slot)).await?.map(Found::new);
        let actual = found.as_ref().and_then(|found| found.record(now)).map(|record| record.version);
        if actual != expect {
            return Err(StoreError::Conflict { actual: actual.unwrap_or(0) });
        }
        if found.is_none() {
            lead_to(db, slot).await?;
        }
        let last = found.as_ref().map_or(0, |found| found.last);
        match write(db, slot, keep, found.as_ref(), op, (put, by, now)).await? {
            Settled::Applied => return Ok(last + 1),
            Settled::Refused => {}
            Settled::Unclear => {
                let (org, kind, part, key) = place(slot);
                let row: Option<(Option<i64>,)> =
                    db.row(&db.s.kept_op, (org, kind, part, key, int(last + 1))).await?;
                if row == Some((Some(op),)) {
                    return Ok(last + 1);
                }
            }
        }
        // What refused it is known now, and may still be on its way to those who ask less strictly.
        statement = &db.s.kept_serial;
    }
}

/// One batch: which version is the newest, the version, and those that it pushes out.
async fn write(
    db: &Db,
    slot: &Slot,
    keep: Keep,
    found: Option<&Found>,
    op: i64,
    (put, by, now): (&Put, Option<&UserId>, UnixMs),
) -> Result<Settled, StoreError> {
    let size = put.value.as_ref().map_or(0, Bytes::len) as u64;
    let last = found.map_or(0, |found| found.last);
    let (mut first, mut bytes) = found.map_or((1, 0), |found| (found.first, found.bytes));
    bytes += size;
    let gone = trim(db, slot, keep, last + 1, &mut first, &mut bytes).await?;

    let text = |text: &str| Some(CqlValue::Text(text.to_owned()));
    let big = |value: u64| Some(CqlValue::BigInt(int(value)));
    let (org, kind, part, key) = place(slot);
    let at = || [text(org), text(kind), text(part), text(key)];
    let mut statements = vec![if found.is_none() { &db.s.kept_first } else { &db.s.kept_next }];
    let mut head = vec![big(last + 1), big(first), big(bytes)];
    head.extend(at());
    if found.is_some() {
        head.push(big(last));
    }
    let mut values = vec![head];
    statements.push(&db.s.kept_add);
    let mut row: Vec<_> = at().into();
    let expires = put.value.as_ref().and(put.expires);
    row.extend([
        big(last + 1),
        Some(CqlValue::BigInt(op)),
        big(now.0),
        by.and_then(|by| text(by.as_str())),
        Some(CqlValue::Boolean(put.value.is_none())),
        expires.and_then(|expires| big(expires.0)),
        big(size),
        put.value.as_ref().map(|value| CqlValue::Blob(value.to_vec())),
    ]);
    values.push(row);
    for version in gone {
        statements.push(&db.s.kept_drop);
        let mut row: Vec<_> = at().into();
        row.push(big(version));
        values.push(row);
    }
    db.settle_batch(&topic::batch(statements), &values).await
}

/// Which versions go, so that `new` of them up to `bytes` bytes are not more than is kept. Moves `first` and `bytes`.
async fn trim(
    db: &Db,
    slot: &Slot,
    keep: Keep,
    new: u64,
    first: &mut u64,
    bytes: &mut u64,
) -> Result<Vec<u64>, StoreError> {
    let full = |first: u64, bytes: u64| first < new && (bytes > keep.bytes || new - first >= keep.versions);
    let mut gone = Vec::new();
    if !full(*first, *bytes) {
        return Ok(gone);
    }
    let (org, kind, part, key) = place(slot);
    let values = (org, kind, part, key, int(*first), limit_of(TRIM));
    let sizes: Vec<(i64, Option<i64>)> = db.rows(&db.s.kept_sizes, values).await?;
    for (version, size) in sizes {
        if !full(*first, *bytes) {
            break;
        }
        gone.push(nat(version));
        *first = nat(version) + 1;
        *bytes = bytes.saturating_sub(size.map_or(0, nat));
    }
    Ok(gone)
}

async fn lead_to(db: &Db, slot: &Slot) -> Result<(), StoreError> {
    db.run(&db.s.kept_lead, place(slot)).await.map(drop)
}

pub(super) async fn list(
    db: &Db,
    (org, kind, partition): (&Tenant, RecordKind, &str),
    after: Option<&str>,
    limit: usize,
    now: UnixMs,
) -> Result<Vec<(String, Record)>, StoreError> {
    let mut found = Vec::new();
    let mut last = after.map(str::to_owned);
    while found.len() < limit {
        let names = (org.as_str(), kind.as_str());
        let rows: Vec<(String,)> = match &last {
            Some(last) => {
                db.rows(&db.s.kept_keys, (names.0, names.1, partition, last, limit_of(KEYS))).await?
            }
            None => db.rows(&db.s.kept_keys_all, (names.0, names.1, partition, limit_of(KEYS))).await?,
        };
        let end = rows.len() < KEYS;
        last = rows.last().map(|(key,)| key.clone());
        let reads = rows.into_iter().map(|(key,)| async move {
            let slot = Slot { org: org.clone(), kind, partition: partition.to_owned(), key };
            let record = get(db, &slot, now).await?;
            Ok::<_, StoreError>(record.map(|record| (slot.key, record)))
        });
        let reads: Vec<_> = reads.collect();
        let mut reads = stream::iter(reads).buffered(AT_ONCE);
        while let Some(record) = reads.try_next().await? {
            found.extend(record);
            if found.len() == limit {
                return Ok(found);
            }
        }
        if end {
            break;
        }
    }
    Ok(found)
}

type VersionRow =
    (Option<i64>, Option<i64>, i64, Option<i64>, Option<String>, Option<bool>, Option<i64>, Option<Vec<u8>>);

pub(super) async fn history(
    db: &Db,
    slot: &Slot,
    after: u64,
    limit: usize,
    max_bytes: usize,
) -> Result<History, StoreError> {
    let (org, kind, part, key) = place(slot);
    let ends: Option<(Option<i64>, Option<i64>)> = db.row(&db.s.kept_ends, place(slot)).await?;
    let Some((Some(last), Some(first))) = ends else { return Ok(History::NONE) };
    let mut history = History { first: nat(first), last: nat(last), versions: Vec::new() };
    let (mut from, mut bytes) = (int(after), 0);
    while history.versions.len() < limit {
        let chunk = (limit - history.versions.len()).min(CHUNK);
        let values = (org, kind, part, key, from, limit_of(chunk));
        let rows: Vec<VersionRow> = db.rows(&db.s.kept_versions, values).await?;
        let end = rows.len() < chunk;
        for row in rows {
            let (last, first, version, at, author, gone, expires, value) = row;
            // Others may have put meanwhile: the ends are those of the newest row read.
            history.last = history.last.max(last.map_or(0, nat));
            history.first = history.first.max(first.map_or(0, nat));
            let value = (gone == Some(false)).then(|| Bytes::from(value.unwrap_or_default()));
            bytes += value.as_ref().map_or(0, Bytes::len);
            if bytes > max_bytes && !history.versions.is_empty() {
                return Ok(history);
            }
            let by = author.as_deref().map(checked).transpose()?;
            let put = Put { value, expires: expires.map(|at| UnixMs(nat(at))) };
            from = version;
            history.versions.push(Version { version: nat(version), at: UnixMs(at.map_or(0, nat)), by, put });
        }
        if end {
            break;
        }
    }
    Ok(history)
}

/// Makes a record without a version, unless there is one.
pub(super) async fn begin(db: &Db, slot: &Slot, last: u64) -> Result<(), StoreError> {
    lead_to(db, slot).await?;
    let (org, kind, part, key) = place(slot);
    let values = (int(last), int(last + 1), 0_i64, org, kind, part, key);
    db.settle(&db.s.kept_first, &values).await.map(drop)
}
