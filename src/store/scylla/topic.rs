//! What a topic consists of: its permanent row with a directory of buckets, and the buckets.
//!
//! A bucket is a partition of `log` with the topic's head in a static column. When it is full it is **sealed** by a
//! conditional write, after which no append to it can succeed; only then is the next one entered into the directory,
//! where it begins after the last event of the sealed one. Whoever finds a sealed bucket at the end finishes the move.
//! So a position is never given twice, and the directory, which has no time to live, keeps a topic whose events
//! have all expired from starting again.

use fanfare_proto::UnixMs;
use scylla::statement::{
    batch::{Batch, BatchType},
    prepared::PreparedStatement,
};

use super::{
    db::Db,
    options::Options,
    schema::SHARDS,
    value::{int, nat, spread},
};
use crate::{id::Topic, store::StoreError};

#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    pub(super) id: i32,
    /// The position of its first event.
    pub(super) start: u64,
    /// Countable events before it.
    pub(super) base: u64,
    /// The newest time in the bucket before.
    pub(super) before: u64,
}

/// A topic's permanent row.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    /// The oldest position that can be read.
    pub(super) first: u64,
    /// Rising, never none.
    pub(super) buckets: Vec<Bucket>,
}

impl Tail {
    /// Whether the bucket has had as much as it is to have.
    pub(super) fn is_full(&self, options: &Options) -> bool {
        self.head + 1 - self.start >= options.bucket_events
            || self.bytes.saturating_add_signed(self.amended) >= options.bucket_bytes
    }
}

impl Directory {
    /// The index of the bucket that holds a position; the first for those before.
    pub(super) fn holding(&self, seq: u64) -> usize {
        self.buckets.partition_point(|bucket| bucket.start <= seq).saturating_sub(1)
    }

    pub(super) fn bucket_of(&self, seq: u64) -> i32 {
        self.buckets[self.holding(seq)].id
    }

    /// The position after the bucket's last, as far as the directory knows.
    pub(super) fn end(&self, index: usize) -> u64 {
        self.buckets.get(index + 1).map_or(u64::MAX, |next| next.start)
    }
}

/// The end of a topic's log.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    pub(super) bucket: i32,
    pub(super) start: u64,
    /// Nothing has been written to the bucket yet.
    pub(super) empty: bool,
    pub(super) head: u64,
    pub(super) count: u64,
    /// Of its events as they were appended.
    pub(super) bytes: u64,
    /// By how much amendments have made them larger.
    pub(super) amended: i64,
    /// The newest time in the bucket.
    pub(super) newest: u64,
    pub(super) sealed: bool,
    /// Earlier buckets, with the newest time in each.
    pub(super) older: Vec<(i32, u64)>,
}

/// How a read sees conditional writes that are under way: not at all, or finished first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Quorum,
    Serial,
}

type Names<'a> = (&'a str, &'a str, &'a str);

pub(super) fn names(topic: &Topic) -> Names<'_> {
    (topic.org.as_str(), topic.name.kind.as_str(), topic.name.key.as_str())
}

pub(super) async fn directory(db: &Db, topic: &Topic, view: View) -> Result<Option<Directory>, StoreError> {
    type Row = (Option<i64>, Option<i32>, Option<i64>, Option<i64>, Option<i64>);
    let statement = if view == View::Serial { &db.s.topic_serial } else { &db.s.topic };
    let rows: Vec<Row> = db.rows(statement, names(topic)).await?;
    let Some((Some(first), ..)) = rows.first() else {
        return Ok(None);
    };
    // Positions begin at 1; below that something else wrote here, and nothing may be counted down from it.
    let first = nat(*first).max(1);
    let bucket = |(_, id, start, base, before): Row| {
        Some(Bucket { id: id?, start: nat(start?).max(1), base: nat(base?), before: nat(before?) })
    };
    let buckets: Vec<_> = rows.into_iter().filter_map(bucket).collect();
    if buckets.is_empty() {
        return Err(StoreError::Corrupt(format!("{topic} has no buckets")));
    }
    Ok(Some(Directory { first, buckets }))
}

pub(super) async fn tail(
    db: &Db,
    topic: &Topic,
    directory: &Directory,
    view: View,
) -> Result<Tail, StoreError> {
    end(db, topic, directory, view).await.map(|(tail, _)| tail)
}

/// The newest event of a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newest {
    pub(super) seq: u64,
    pub(super) count: u64,
    pub(super) at: Option<UnixMs>,
}

/// The end together with the newest event of its bucket, if there is one.
pub(super) async fn end(
    db: &Db,
    topic: &Topic,
    directory: &Directory,
    view: View,
) -> Result<(Tail, Option<Newest>), StoreError> {
    type Row = (
        Option<i64>,
        Option<i64>,
        Option<i64>,
        Option<i64>,
        Option<i64>,
        Option<bool>,
        Option<i64>,
        Option<i64>,
        Option<i64>,
    );
    let statement = if view == View::Serial { &db.s.tail_serial } else { &db.s.tail };
    let last = directory.buckets[directory.buckets.len() - 1];
    let (org, kind, key) = names(topic);
    let row: Option<Row> = db.row(statement, (org, kind, key, last.id)).await?;
    let (head, total, bytes, amended, newest, sealed, seq, count, at) = row.unwrap_or_default();
    let older = directory.buckets.windows(2).map(|pair| (pair[0].id, pair[1].before)).collect();
    let tail = Tail {
        bucket: last.id,
        start: last.start,
        empty: head.is_none(),
        head: head.map_or(last.start - 1, nat),
        count: total.map_or(last.base, nat),
        bytes: bytes.map_or(0, nat),
        amended: amended.unwrap_or(0),
        newest: newest.map_or(0, nat),
        sealed: sealed.unwrap_or(false),
        older,
    };
    // The rows at 0 are requests.
    let event = seq.map(nat).filter(|seq| *seq > 0).zip(count.map(nat));
    let at = at.map(|at| UnixMs(nat(at)));
    Ok((tail, event.map(|(seq, count)| Newest { seq, count, at })))
}

/// Makes the topic's row, unless somebody has. `at`: the time of what is about to be appended; `first`: the position
/// that it begins at, with `count` countable events before it.
pub(super) async fn begin(db: &Db, topic: &Topic, at: u64, first: u64, count: u64) -> Result<(), StoreError> {
    // First of all, so that no topic is missing from the list by which expiry goes.
    list(db, topic, int(at)).await?;
    let (org, kind, key) = names(topic);
    let batch = batch([&db.s.topic_begin, &db.s.topic_bucket]);
    // Whatever it comes to, the row is read next.
    let (first, count) = (int(first), int(count));
    db.settle_batch(&batch, &((first, org, kind, key), (org, kind, key, 0, first, count, 0_i64)))
        .await
        .map(drop)
}

/// Notes until when there is nothing to expire.
pub(super) async fn list(db: &Db, topic: &Topic, due: i64) -> Result<(), StoreError> {
    let (org, kind, key) = names(topic);
    let shard = spread(&format!("{org} {key}"), SHARDS);
    db.run(&db.s.list_add, (kind, shard, org, key, due)).await?;
    Ok(())
}

/// Closes the bucket at the end for good, if its head is still the one given.
pub(super) async fn seal(db: &Db, topic: &Topic, tail: &Tail) -> Result<(), StoreError> {
    let (org, kind, key) = names(topic);
    if tail.empty {
        return db.settle(&db.s.seal_empty, &(org, kind, key, tail.bucket)).await.map(drop);
    }
    db.settle(&db.s.seal, &(org, kind, key, tail.bucket, int(tail.head))).await.map(drop)
}

/// Enters the bucket that follows a sealed one.
pub(super) async fn advance(db: &Db, topic: &Topic, sealed: &Tail) -> Result<(), StoreError> {
    let (org, kind, key) = names(topic);
    let next = sealed.bucket + 1;
    let batch = batch([&db.s.topic_advance, &db.s.topic_bucket]);
    let row = (org, kind, key, next, int(sealed.head + 1), int(sealed.count), int(sealed.newest));
    db.settle_batch(&batch, &((next, org, kind, key, sealed.bucket), row)).await.map(drop)
}

pub(super) fn batch<'a>(statements: impl IntoIterator<Item = &'a PreparedStatement>) -> Batch {
    let mut batch = Batch::new(BatchType::Unlogged);
    for (place, statement) in statements.into_iter().enumerate() {
        if place == 0 {
            batch.set_execution_profile_handle(statement.get_execution_profile_handle().cloned());
        }
        batch.append_statement(statement.clone());
    }
    batch.set_is_idempotent(true);
    batch
}
