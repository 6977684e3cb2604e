//! Retention of logs.
//!
//! First the oldest position that can be read is moved, then what lies before it is removed: its texts, its events,
//! and, a day later, whole buckets with the requests that repetitions are known by. Only then is it noted when something
//! is due next: what is cut off in between is due still, and whatever lies before the oldest position goes then, whoever
//! moved that. The bucket at the end of a log of which nothing is left is sealed
//! and followed by an empty one first, so that it goes like the others, and nobody adds to it meanwhile.

use fanfare_proto::{TopicKey, TopicKind, TopicName, UnixMs};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    db::{Db, Settled},
    group::DAY,
    schema::SHARDS,
    text,
    topic::{self, Directory, View, names},
    value::{checked, int, limit as limit_of, nat, tenant},
};
use crate::{
    id::Topic,
    store::{StoreError, damage},
};

/// Topics listed at once.
const TOPICS: usize = 500;
/// Topics worked on at once.
const AT_ONCE: usize = 8;
/// Events looked at in one read.
const CHUNK: usize = 500;

/// Answers how many events can no longer be read.
pub(super) async fn expire(db: &Db, kind: TopicKind, before: UnixMs) -> Result<u64, StoreError> {
    let shards: Vec<_> = (0..SHARDS).map(|shard| shard_of(db, kind, shard, before)).collect();
    let gone: Vec<u64> = stream::iter(shards).buffer_unordered(4).try_collect().await?;
    Ok(gone.iter().sum())
}

async fn shard_of(db: &Db, kind: TopicKind, shard: i32, before: UnixMs) -> Result<u64, StoreError> {
    let (mut org, mut key, mut gone) = (String::new(), String::new(), 0);
    loop {
        let values = (kind.as_str(), shard, &org, &key, limit_of(TOPICS));
        let rows: Vec<(String, String, Option<i64>)> = db.rows(&db.s.list, values).await?;
        let end = rows.len() < TOPICS;
        if let Some(last) = rows.last() {
            (org, key) = (last.0.clone(), last.1.clone());
        }
        let due = rows.into_iter().filter(|(.., due)| due.is_none_or(|due| due < int(before.0)));
        let work = due.map(|(org, key, due)| async move {
            let named = checked::<TopicKey>(&key).and_then(|key| Ok((tenant(&org)?, key)));
            let Some((org, key)) = damage::readable("topic", || format!("{org} {key}"), named) else {
                return Ok(0);
            };
            let topic = Topic { org, name: TopicName { kind, key } };
            step(db, &topic, due, before).await
        });
        let work: Vec<_> = work.collect();
        let counts: Vec<u64> = stream::iter(work).buffer_unordered(AT_ONCE).try_collect().await?;
        gone += counts.iter().sum::<u64>();
        if end {
            return Ok(gone);
        }
    }
}

async fn step(db: &Db, topic: &Topic, listed: Option<i64>, before: UnixMs) -> Result<u64, StoreError> {
    let Some(mut directory) = topic::directory(db, topic, View::Quorum).await? else {
        return Ok(0);
    };
    let front = front(db, topic, &directory, before).await?;
    let gone = front.first - directory.first;
    if gone > 0 && !advance(db, topic, directory.first, front.first).await? {
        // Somebody else is at it: next time.
        return Ok(0);
    }
    directory.first = front.first;
    clear(db, topic, &directory).await?;
    if front.at.is_none() && retire(db, topic, &directory, before).await? {
        directory = topic::directory(db, topic, View::Serial).await?.unwrap_or(directory);
    }
    let kept = drop_buckets(db, topic, &directory, before).await?;
    // Of an empty log nothing is known: what is appended next may be as old as it likes.
    let due = front.at.map_or(-1, |at| int(kept.map_or(at, |kept| kept.min(at))));
    if listed != Some(due) {
        topic::list(db, topic, due).await?;
    }
    Ok(gone)
}

/// Moves the oldest position that can be read. Answers whether it is there.
async fn advance(db: &Db, topic: &Topic, from: u64, to: u64) -> Result<bool, StoreError> {
    let (org, kind, key) = names(topic);
    match db.settle(&db.s.topic_first, &(int(to), org, kind, key, int(from))).await? {
        Settled::Applied => Ok(true),
        Settled::Refused => Ok(false),
        Settled::Unclear => {
            let directory = topic::directory(db, topic, View::Serial).await?;
            Ok(directory.is_some_and(|directory| directory.first == to))
        }
    }
}

/// Removes the events before the oldest position that can be read, and their texts, wherever there are any left.
async fn clear(db: &Db, topic: &Topic, directory: &Directory) -> Result<(), StoreError> {
    let (org, kind, key) = names(topic);
    let first = int(directory.first);
    for bucket in directory.buckets.iter().take_while(|bucket| bucket.start < directory.first) {
        let values = (org, kind, key, bucket.id, 0_i64, first, 1);
        // Looked for first: whoever removes leaves something behind that is read again and again.
        if db.row::<(i64, Option<i64>)>(&db.s.times, values).await?.is_some() {
            // The texts first, as the events lead to them.
            text::forget(db, topic, bucket.id, directory.first).await?;
            db.run(&db.s.events_drop, (org, kind, key, bucket.id, first)).await?;
        }
    }
    Ok(())
}

/// Where the log begins once what is too old is gone.
struct Front {
    first: u64,
    /// The time of the event there, if there is one.
    at: Option<u64>,
}

/// Only from the front: an event behind one that stays must stay as well.
async fn front(db: &Db, topic: &Topic, directory: &Directory, before: UnixMs) -> Result<Front, StoreError> {
    let (org, kind, key) = names(topic);
    let mut first = directory.first;
    for index in directory.holding(first)..directory.buckets.len() {
        let bucket = directory.buckets[index].id;
        loop {
            let values = (org, kind, key, bucket, int(first - 1), i64::MAX, limit_of(CHUNK));
            let rows: Vec<(i64, Option<i64>)> = db.rows(&db.s.times, values).await?;
            let end = rows.len() < CHUNK;
            for (seq, at) in rows {
                if let Some(at) = at.map(nat)
                    && at >= before.0
                {
                    return Ok(Front { first, at: Some(at) });
                }
                first = nat(seq) + 1;
            }
            if end {
                break;
            }
        }
    }
    Ok(Front { first, at: None })
}

/// Has the bucket at the end followed by an empty one, once nothing of it is needed any more. Answers whether.
async fn retire(db: &Db, topic: &Topic, directory: &Directory, before: UnixMs) -> Result<bool, StoreError> {
    // What this lacks, sealing notices.
    let mut tail = topic::tail(db, topic, directory, View::Quorum).await?;
    let needed = tail.head >= directory.first || tail.newest.saturating_add(DAY) >= before.0;
    if tail.empty || needed {
        return Ok(false);
    }
    if !tail.sealed {
        topic::seal(db, topic, &tail).await?;
        // With what was appended just before, if anything.
        tail = topic::tail(db, topic, directory, View::Serial).await?;
    }
    if tail.sealed {
        topic::advance(db, topic, &tail).await?;
    }
    Ok(tail.sealed)
}

/// Removes buckets of which nothing is needed any more. Answers when the next one can go, if one waits for that.
async fn drop_buckets(
    db: &Db,
    topic: &Topic,
    directory: &Directory,
    before: UnixMs,
) -> Result<Option<u64>, StoreError> {
    let (org, kind, key) = names(topic);
    for pair in directory.buckets.windows(2) {
        let (bucket, next) = (pair[0].id, pair[1]);
        if next.start > directory.first {
            return Ok(None);
        }
        let due = next.before.saturating_add(DAY);
        if due >= before.0 {
            return Ok(Some(due));
        }
        text::forget(db, topic, bucket, u64::MAX).await?;
        db.run(&db.s.bucket_drop, (org, kind, key, bucket)).await?;
        db.settle(&db.s.topic_forget, &(org, kind, key, bucket)).await?;
    }
    Ok(None)
}
