//! The timer shape: what is to happen later, at least once.
//!
//! A timer's row is the truth, moved by conditional writes, each with a number of its own (`op`). An index by time
//! leads to it: it is written after the row, and an entry with another number than the row's is out of date. Who finds
//! such an entry writes the one that the row needs before removing it, so a timer is never without one for long.
//! The index is cut into slots of time, of which those that are over and empty are passed (`slots`), so that nobody
//! reads through what is gone.

use std::collections::HashSet;

use bytes::Bytes;
use fanfare_proto::UnixMs;
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};

use super::{
    db::{Db, Settled},
    schema::FEW,
    slots,
    value::{int, limit as limit_of, nat, random, spread},
};
use crate::store::{StoreError, Timer};

/// Milliseconds of a slot.
const SLOT: u64 = 10 * 60 * 1_000;
/// Entries read at once from a part of a slot.
const CHUNK: usize = 500;
/// Timers claimed at once.
const AT_ONCE: usize = 16;

/// An entry of the index, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Entry {
    pub(super) wake: i64,
    pub(super) key: String,
    pub(super) op: i64,
}

/// A timer's row.
struct Row {
    due: i64,
    wake: i64,
    op: i64,
    data: Vec<u8>,
}

impl Entry {
    /// Where it belongs, unless that is passed already: then it stands in a later one.
    pub(super) fn slot(&self) -> i64 {
        slot(self.wake)
    }

    fn shard(&self) -> i32 {
        spread(&self.key, FEW)
    }
}

fn slot(wake: i64) -> i64 {
    int(nat(wake) / SLOT)
}

/// Moving a timer also ends the lease of who had taken it.
pub(super) async fn set(db: &Db, timer: &Timer) -> Result<(), StoreError> {
    let (due, op) = (int(timer.due.0), random().cast_signed());
    let (key, data) = (timer.key.as_str(), &timer.data[..]);
    loop {
        let before = find(db, key).await?;
        let settled = match &before {
            Some(row) if row.op == op => Settled::Applied,
            Some(row) => db.settle(&db.s.timer_move, &(due, due, op, data, key, row.op)).await?,
            None => db.settle(&db.s.timer_new, &(key, due, due, op, data)).await?,
        };
        if settled == Settled::Applied {
            add(db, &Entry { wake: due, key: key.to_owned(), op }).await?;
            if let Some(row) = before.filter(|row| row.op != op) {
                forget(db, &Entry { wake: row.wake, key: key.to_owned(), op: row.op }).await?;
            }
            return Ok(());
        }
    }
}

/// Clears the timer that is found, not one that is set meanwhile, however late an attempt arrives.
pub(super) async fn clear(db: &Db, key: &str) -> Result<(), StoreError> {
    let mut tried = None;
    while let Some(row) = find(db, key).await? {
        // An attempt may have cleared what was found, and this was set afterwards. If it was only taken, it comes again.
        if tried.is_some_and(|op| op != row.op) {
            break;
        }
        match db.settle(&db.s.timer_clear, &(key, row.op)).await? {
            Settled::Applied => {
                return forget(db, &Entry { wake: row.wake, key: key.to_owned(), op: row.op }).await;
            }
            // Somebody took or moved it.
            Settled::Refused => {}
            Settled::Unclear => tried = Some(row.op),
        }
    }
    Ok(())
}

/// The longest overdue first; one whose lease has run out counts from the end of the lease.
pub(super) async fn due(db: &Db, now: UnixMs, lease_ms: u64, limit: usize) -> Result<Vec<Timer>, StoreError> {
    let today = slot(int(now.0));
    let found = slots::begin(db, today).await?;
    let mut due = Vec::new();
    let mut seen = HashSet::new();
    for slot in found.floor..=found.low.max(today) {
        loop {
            let (mut entries, more) = entries(db, slot, int(now.0)).await?;
            entries.retain(|entry| !seen.contains(entry));
            let found = entries.len();
            entries.truncate(limit.saturating_sub(due.len()));
            seen.extend(entries.iter().cloned());
            let claims =
                entries.into_iter().map(|entry| claim(db, slot, entry, now, lease_ms)).collect::<Vec<_>>();
            let claimed: Vec<Option<Claimed>> = stream::iter(claims).buffered(AT_ONCE).try_collect().await?;
            for claimed in claimed.into_iter().flatten() {
                seen.insert(claimed.entry);
                due.push(claimed.timer);
            }
            if due.len() >= limit {
                return Ok(due);
            }
            if !more || found == 0 {
                break;
            }
        }
    }
    slots::pass(db, found, today).await?;
    Ok(due)
}

struct Claimed {
    timer: Timer,
    /// Its new place in the index.
    entry: Entry,
}

/// `slot`: where the entry was found.
async fn claim(
    db: &Db,
    slot: i64,
    entry: Entry,
    now: UnixMs,
    lease_ms: u64,
) -> Result<Option<Claimed>, StoreError> {
    let Some(row) = find(db, &entry.key).await? else {
        remove(db, slot, &entry).await?;
        return Ok(None);
    };
    if row.op != entry.op {
        add(db, &Entry { wake: row.wake, key: entry.key.clone(), op: row.op }).await?;
        remove(db, slot, &entry).await?;
        return Ok(None);
    }
    let next = Entry { wake: int(now.plus(lease_ms).0), key: entry.key.clone(), op: random().cast_signed() };
    let settled = db.settle(&db.s.timer_lease, &(next.wake, next.op, &entry.key, row.op)).await?;
    let ours = match settled {
        Settled::Applied => true,
        Settled::Refused => false,
        Settled::Unclear => find(db, &entry.key).await?.is_some_and(|row| row.op == next.op),
    };
    if !ours {
        return Ok(None);
    }
    add(db, &next).await?;
    remove(db, slot, &entry).await?;
    let timer = Timer { key: entry.key, due: UnixMs(nat(row.due)), data: Bytes::from(row.data) };
    Ok(Some(Claimed { timer, entry: next }))
}

/// What of a slot is due, the oldest first, and whether there may be more.
async fn entries(db: &Db, slot: i64, now: i64) -> Result<(Vec<Entry>, bool), StoreError> {
    let part = |shard| db.rows::<(i64, String, i64)>(&db.s.due, (slot, shard, now, limit_of(CHUNK)));
    let parts = try_join_all((0..FEW).map(part)).await?;
    let more = parts.iter().any(|part| part.len() == CHUNK);
    let mut entries: Vec<_> =
        parts.into_iter().flatten().map(|(wake, key, op)| Entry { wake, key, op }).collect();
    entries.sort_unstable();
    Ok((entries, more))
}

async fn find(db: &Db, key: &str) -> Result<Option<Row>, StoreError> {
    type Columns = (Option<i64>, Option<i64>, Option<i64>, Option<Vec<u8>>);
    let row: Option<Columns> = db.row(&db.s.timer, (key,)).await?;
    Ok(row.and_then(|(due, wake, op, data)| {
        Some(Row { due: due?, wake: wake?, op: op?, data: data.unwrap_or_default() })
    }))
}

pub(super) async fn add(db: &Db, entry: &Entry) -> Result<(), StoreError> {
    let mut low = slots::low(db).await?;
    loop {
        let slot = entry.slot().max(low);
        db.run(&db.s.due_add, (slot, entry.shard(), entry.wake, &entry.key, entry.op)).await?;
        low = slots::low(db).await?;
        if slot >= low {
            return Ok(());
        }
        // Who passed that slot may have done so before this stood in it.
    }
}

pub(super) async fn remove(db: &Db, slot: i64, entry: &Entry) -> Result<(), StoreError> {
    db.run(&db.s.due_drop, (slot, entry.shard(), entry.wake, &entry.key, entry.op)).await?;
    Ok(())
}

/// Removes an entry from where it most likely stands. If it stands elsewhere, it goes when it is found to be out of date.
async fn forget(db: &Db, entry: &Entry) -> Result<(), StoreError> {
    let low = slots::low(db).await?;
    remove(db, entry.slot().max(low), entry).await
}
