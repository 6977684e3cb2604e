//! From which slot of time on the index of timers is read.
//!
//! Two numbers that only rise. What is entered goes into no slot below `low`; what is below `floor` is not read any
//! more. A slot is passed in steps, so that nothing is left behind in it: `low` is raised past it; only once a reader has
//! seen that, and then found nothing in it, `floor` follows. Whoever enters something looks at `low` afterwards, and
//! enters it again if it was raised meanwhile. So either the entry is found, or it is made again, whoever dies between.
//! Conditional writes are made once a slot's length, whatever the number of timers.
//!
//! When there are too many slots to pass, after a long pause or at the very first, every timer is entered anew from its
//! row instead.

use futures::{StreamExt, TryStreamExt, stream};
use scylla::response::{PagingState, PagingStateResponse};

use super::{
    db::Db,
    schema::FEW,
    timer::{self, Entry},
};
use crate::store::StoreError;

const LOW: &str = "timer_low";
const FLOOR: &str = "timer_floor";
/// Slots that are passed one by one: a day.
const MANY: i64 = 144;
/// Rows read and entered at once.
const CHUNK: i32 = 500;
const AT_ONCE: usize = 32;

#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) low: i64,
    pub(super) floor: i64,
}

pub(super) async fn marks(db: &Db) -> Result<Marks, StoreError> {
    let (low, floor) = futures::try_join!(mark(db, LOW), mark(db, FLOOR))?;
    Ok(Marks { low, floor })
}

pub(super) async fn low(db: &Db) -> Result<i64, StoreError> {
    mark(db, LOW).await
}

async fn mark(db: &Db, name: &str) -> Result<i64, StoreError> {
    let row: Option<(i64,)> = db.row(&db.s.slot_mark, (name,)).await?;
    Ok(row.map_or(0, |(slot,)| slot))
}

/// Unless somebody was faster. Who needs to know reads it.
async fn raise(db: &Db, name: &str, from: i64, to: i64) -> Result<(), StoreError> {
    match from {
        0 => db.settle(&db.s.slot_mark_first, &(name, to)).await?,
        _ => db.settle(&db.s.slot_mark_next, &(to, name, from)).await?,
    };
    Ok(())
}

/// Where to begin to read. `now`: the slot that it is.
pub(super) async fn begin(db: &Db, now: i64) -> Result<Marks, StoreError> {
    loop {
        let found = marks(db).await?;
        if now - found.floor <= MANY {
            return Ok(found);
        }
        if found.low < now - 1 {
            raise(db, LOW, found.low, now - 1).await?;
        } else {
            enter_all(db, found.low).await?;
            raise(db, FLOOR, found.floor, found.low).await?;
        }
    }
}

/// Passes what is empty and over. `found`: as it was before the slots were read.
pub(super) async fn pass(db: &Db, found: Marks, now: i64) -> Result<(), StoreError> {
    // A slot's length later, so that who is just about to enter something need not do it twice.
    if found.low < now - 1 {
        raise(db, LOW, found.low, now - 1).await?;
    }
    let mut to = found.floor;
    while to < found.low && is_empty(db, to).await? {
        to += 1;
    }
    if to > found.floor {
        raise(db, FLOOR, found.floor, to).await?;
    }
    Ok(())
}

async fn is_empty(db: &Db, slot: i64) -> Result<bool, StoreError> {
    let part = |shard| db.row::<(i64,)>(&db.s.due_any, (slot, shard));
    let parts = futures::future::try_join_all((0..FEW).map(part)).await?;
    Ok(parts.iter().all(Option::is_none))
}

/// Every timer that may stand below `low` only.
async fn enter_all(db: &Db, low: i64) -> Result<(), StoreError> {
    let mut statement = db.s.timers.clone();
    statement.set_page_size(CHUNK);
    let mut state = PagingState::start();
    loop {
        let (rows, next) = db.page::<(String, Option<i64>, Option<i64>)>(&statement, state).await?;
        let entries =
            rows.into_iter().filter_map(|(key, wake, op)| Some(Entry { key, wake: wake?, op: op? }));
        let late = entries.filter(|entry| entry.slot() < low);
        let enter = late.map(|entry| async move {
            timer::add(db, &entry).await?;
            timer::remove(db, entry.slot(), &entry).await
        });
        let enter: Vec<_> = enter.collect();
        stream::iter(enter).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        match next {
            PagingStateResponse::HasMorePages { state: next } => state = next,
            PagingStateResponse::NoMorePages => return Ok(()),
        }
    }
}
