//! Events as they were in another store, put at the end of a log: conditional on its head like every append, but without
//! a look at what is repeated.

use super::{
    db::{Db, Settled},
    group,
    options::Options,
    plan::Plan,
    rows::values,
    topic::{self, Tail, View},
    value::random,
    write,
};
use crate::{
    id::Topic,
    store::{Event, StoreError},
};

pub(super) async fn restore(
    db: &Db,
    options: &Options,
    topic: &Topic,
    events: Vec<Event>,
) -> Result<(), StoreError> {
    let mut rest = events.as_slice();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(write::most(rest.iter().map(|event| event.data.len())));
        put(db, options, topic, part).await?;
        rest = after;
    }
    Ok(())
}

async fn put(db: &Db, options: &Options, topic: &Topic, events: &[Event]) -> Result<(), StoreError> {
    if events.iter().map(|event| event.data.len()).sum::<usize>() > write::MOST {
        return Err(StoreError::TooLarge);
    }
    let (Some(first), op) = (events.first(), random().cast_signed()) else { return Ok(()) };
    let follows = events.iter().zip(first.seq.0..).all(|(event, seq)| event.seq.0 == seq);
    let plan = Plan { answers: Vec::new(), added: vec![events.to_vec()], conflict: false };
    loop {
        let tail = room(db, options, topic, first.at.0).await?;
        if !follows || tail.head + 1 != first.seq.0 {
            return Err(StoreError::Conflict { actual: tail.head });
        }
        let next = group::after(&tail, &plan);
        let batch = write::batch(db, &tail, &plan);
        match db.settle_batch(&batch, &values(topic, &tail, &next, &plan, op)).await? {
            Settled::Applied => return Ok(()),
            Settled::Unclear if write::is_there(db, topic, tail.bucket, first.seq.0, op).await? => {
                return Ok(());
            }
            // Somebody else appends as well, which the head tells next.
            Settled::Refused | Settled::Unclear => {}
        }
    }
}

/// The end of the log in a bucket with room.
async fn room(db: &Db, options: &Options, topic: &Topic, at: u64) -> Result<Tail, StoreError> {
    loop {
        let Some(directory) = topic::directory(db, topic, View::Serial).await? else {
            topic::begin(db, topic, at, 1, 0).await?;
            continue;
        };
        let tail = topic::tail(db, topic, &directory, View::Serial).await?;
        if tail.sealed {
            topic::advance(db, topic, &tail).await?;
        } else if tail.is_full(options) {
            topic::seal(db, topic, &tail).await?;
        } else {
            return Ok(tail);
        }
    }
}
