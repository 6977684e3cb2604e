//! Writing a planned group; and what becomes of a batch when nobody waits any more for what it came to.
//!
//! Such a batch is **loose**: it may have been applied, or may still be. Nothing else is appended to its topic by this
//! node before that is settled. If the head has reached the batch's first position, the event there tells by its
//! number whether it was this batch that moved it. If not, the bucket is sealed: then the batch can never be applied,
//! whatever it was that kept it from being so, as it is conditional on the seal.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use scylla::statement::batch::Batch;
use tokio::time::{Instant, sleep};

use super::{
    append::{End, Lines, Request},
    db::{Db, jitter},
    gate::unavailable,
    log,
    options::Fault,
    plan::Plan,
    rows::values,
    topic::{self, Tail, View, names},
    value::{Failed, int, random},
};
use crate::{
    id::{Audience, Topic},
    store::{Event, StoreError},
};

/// Events and bytes of one batch at most (a single larger append still passes).
pub(super) const GROUP: usize = 256;
pub(super) const GROUP_BYTES: usize = 1 << 20;
/// Bytes of one append's events. The databases refuse a write of more than half a segment of their log of commits,
/// 16 MiB unless they are told otherwise, and a conditional one is written twice.
pub(super) const MOST: usize = 4 << 20;

/// How many of these, at least one, go into a batch.
pub(super) fn most(lengths: impl Iterator<Item = usize>) -> usize {
    let sums = lengths.scan(0, |bytes, length| {
        *bytes += length;
        Some(*bytes)
    });
    sums.take(GROUP).take_while(|bytes| *bytes <= GROUP_BYTES).count().max(1)
}

/// The head with the plan's events and their requests. Its values: [`values`].
pub(super) fn batch(db: &Db, tail: &Tail, plan: &Plan) -> Batch {
    let head = if tail.empty { &db.s.head_first } else { &db.s.head_next };
    let rows = plan.events().flat_map(|_| [&db.s.event_add, &db.s.request_add]);
    topic::batch(std::iter::once(head).chain(rows))
}

/// Whether the event at a position was written by a batch with this number.
pub(super) async fn is_there(
    db: &Db,
    topic: &Topic,
    bucket: i32,
    seq: u64,
    op: i64,
) -> Result<bool, StoreError> {
    let (org, kind, key) = names(topic);
    let found: Option<(Option<i64>,)> = db.row(&db.s.event_op, (org, kind, key, bucket, int(seq))).await?;
    Ok(found == Some((Some(op),)))
}

/// What is needed to settle a batch and to publish its events, which are not kept.
pub(super) struct Loose {
    bucket: i32,
    /// The positions of its first event and its last.
    first: u64,
    last: u64,
    op: i64,
    /// How many of its events go to whom, in order.
    shares: Vec<(Audience, usize)>,
}

pub(super) enum Written {
    Applied,
    /// The head had moved.
    Refused,
    Loose(Loose),
}

impl Lines {
    /// Writes the plan's events if the head is still the one planned for. While that is not known the batch is sent
    /// again, for as long as somebody waits for it.
    pub(super) async fn write(
        &self,
        topic: &Topic,
        tail: &Tail,
        next: &Tail,
        plan: &Plan,
        group: &[Request],
    ) -> Result<Written, StoreError> {
        let op = random().cast_signed();
        let values = values(topic, tail, next, plan, op);
        let first = tail.head + 1;
        let mut pause = Duration::from_millis(10);
        // Whether an attempt may have been applied, or may still be.
        let mut loose = false;
        let let_go = || {
            let shares = group.iter().zip(&plan.added);
            let shares = shares.map(|(request, events)| (request.append.audience.clone(), events.len()));
            Loose { bucket: tail.bucket, first, last: next.head, op, shares: shares.collect() }
        };
        loop {
            let fault = self.options.faults.of(topic);
            if !group.iter().any(Request::is_awaited) {
                return if loose { Ok(Written::Loose(let_go())) } else { Err(unavailable("nobody waits")) };
            }
            let db = self.db(topic);
            let batch = batch(&db, tail, plan);
            let answer = match fault {
                Some(Fault::Unsent) => Err(self.options.lost.into()),
                Some(Fault::Unanswered) => {
                    db.cas_batch(&batch, &values).await.and(Err(self.options.lost.into()))
                }
                None => db.cas_batch(&batch, &values).await,
            };
            let mut hopeless = false;
            match answer {
                Ok(true) => return Ok(Written::Applied),
                Ok(false) if !loose => return Ok(Written::Refused),
                Ok(false) => match is_there(&self.db(topic), topic, tail.bucket, first, op).await {
                    Ok(true) => return Ok(Written::Applied),
                    Ok(false) => return Ok(Written::Refused),
                    Err(error) => tracing::debug!(%topic, %error, "not known yet"),
                },
                Err(Failed { why, void: true, .. }) if !loose => return Err(StoreError::Unavailable(why)),
                Err(failed) => {
                    loose |= !failed.void;
                    hopeless = failed.final_;
                    tracing::debug!(%topic, why = failed.why, "outcome of an append not known");
                }
            }
            if hopeless {
                return Ok(Written::Loose(let_go()));
            }
            sleep(jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Finds out what became of a loose batch, or sees to it that nothing can any more, and publishes what it wrote.
    pub(super) async fn settle(&self, topic: &Topic, end: &mut End) -> Result<(), StoreError> {
        let Some(loose) = &end.loose else { return Ok(()) };
        end.tail = None;
        let db = self.db(topic);
        let begun = Instant::now();
        loop {
            let directory = topic::directory(&db, topic, View::Serial).await?;
            let directory = directory.ok_or_else(|| StoreError::Corrupt(format!("{topic} is gone")))?;
            let tail = topic::tail(&db, topic, &directory, View::Serial).await?;
            if tail.bucket != loose.bucket || tail.sealed || tail.head >= loose.first {
                break;
            }
            if begun.elapsed() > self.options.append {
                return Err(unavailable("an earlier append is not settled"));
            }
            topic::seal(&db, topic, &tail).await?;
        }
        if is_there(&db, topic, loose.bucket, loose.first, loose.op).await? {
            let events = log::span(&db, topic, loose.bucket, loose.first, loose.last).await?;
            let mut events = &events[..];
            for (audience, count) in &loose.shares {
                let (share, rest) = events.split_at(events.len().min(*count));
                self.publish(topic, audience, share);
                events = rest;
            }
        }
        end.loose = None;
        Ok(())
    }

    pub(super) fn publish(&self, topic: &Topic, audience: &Audience, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let publish = || self.committed.committed(topic, self.epoch, audience, events);
        // The events are stored: losing the hint must not lose the store.
        if catch_unwind(AssertUnwindSafe(publish)).is_err() {
            tracing::error!(%topic, "publishing panicked");
        }
    }
}
