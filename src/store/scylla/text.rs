//! The text shape: the events of a word, newest first, for each bucket of a topic's log.
//!
//! An event's words are stored once more as its document. That is the truth: an entry of a word leads to it and is
//! checked against it, so an entry left behind by a change that was cut short finds nothing.

use std::collections::{BTreeSet, HashSet};

use fanfare_proto::Seq;
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    db::Db,
    topic::{self, View, names},
    value::{int, limit as limit_of, nat},
    words,
};
use crate::{id::Topic, store::StoreError};

/// Entries read at once.
const CHUNK: usize = 100;
/// Writes and topics at once.
const AT_ONCE: usize = 32;

/// An event that is not in the log (any more) is not indexed.
pub(super) async fn index(db: &Db, topic: &Topic, seq: Seq, text: &str) -> Result<(), StoreError> {
    let directory = topic::directory(db, topic, View::Quorum).await?;
    let Some(directory) = directory.filter(|directory| seq.0 >= directory.first) else {
        return Ok(());
    };
    let (org, kind, key) = names(topic);
    let bucket = directory.bucket_of(seq.0);
    let place = (org, kind, key, bucket, int(seq.0));
    let event: Option<(Option<i64>,)> = db.row(&db.s.event_at, place).await?;
    let Some((Some(at),)) = event else { return Ok(()) };
    let new = words::indexed(text);
    let old = document(db.row(&db.s.doc, place).await?);
    if new.is_empty() {
        db.run(&db.s.doc_drop, place).await?;
    } else {
        let words = new.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        db.run(&db.s.doc_put, (org, kind, key, bucket, int(seq.0), words)).await?;
    }
    let write = |(statement, word): (_, &String)| {
        let values = (org, kind, key, bucket, word.clone(), at, int(seq.0));
        async move { db.run(statement, values).await.map(drop) }
    };
    // All of the new ones, as an earlier call may not have got so far.
    let writes: Vec<_> = new
        .iter()
        .map(|word| (&db.s.term_put, word))
        .chain(old.difference(&new).map(|word| (&db.s.term_drop, word)))
        .map(write)
        .collect();
    stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
}

fn document(row: Option<(Option<String>,)>) -> BTreeSet<String> {
    let words = row.and_then(|(words,)| words).unwrap_or_default();
    words.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

pub(super) async fn search(
    db: &Db,
    topics: &[Topic],
    query: &str,
    limit: usize,
) -> Result<Vec<(Topic, Seq)>, StoreError> {
    let words = &words::asked(query);
    if words.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let topics: BTreeSet<&Topic> = topics.iter().collect();
    let look = |topic| async move {
        let found = in_topic(db, topic, words, limit).await?;
        Ok::<_, StoreError>(found.into_iter().map(|(at, seq)| (at, topic, seq)).collect::<Vec<_>>())
    };
    let looks: Vec<_> = topics.into_iter().map(look).collect();
    let mut found: Vec<_> = stream::iter(looks).buffer_unordered(AT_ONCE).try_concat().await?;
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(limit);
    Ok(found.into_iter().map(|(_, topic, seq)| (topic.clone(), Seq(seq))).collect())
}

/// The newest of a topic, as time and position, the newest first.
async fn in_topic(
    db: &Db,
    topic: &Topic,
    words: &[String],
    limit: usize,
) -> Result<Vec<(i64, u64)>, StoreError> {
    let Some(directory) = topic::directory(db, topic, View::Quorum).await? else {
        return Ok(Vec::new());
    };
    let mut found: Vec<(i64, u64)> = Vec::new();
    for index in (directory.holding(directory.first)..directory.buckets.len()).rev() {
        // Times may go back a little, so an older bucket may hold newer events.
        let newest = directory.buckets.get(index + 1).map_or(u64::MAX, |next| next.before);
        if found.len() == limit && found.last().is_some_and(|(at, _)| *at > int(newest)) {
            continue;
        }
        found.extend(in_bucket(db, topic, directory.buckets[index].id, words, limit, directory.first).await?);
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(limit);
    }
    Ok(found)
}

async fn in_bucket(
    db: &Db,
    topic: &Topic,
    bucket: i32,
    words: &[String],
    limit: usize,
    first: u64,
) -> Result<Vec<(i64, u64)>, StoreError> {
    let (org, kind, key) = names(topic);
    let mut found = Vec::new();
    let (mut at, mut seq) = (i64::MAX, i64::MAX);
    let chunk = CHUNK.min(limit.max(10));
    while found.len() < limit {
        let values = (org, kind, key, bucket, &words[0], at, seq, limit_of(chunk));
        let entries: Vec<(i64, i64)> = db.rows(&db.s.terms, values).await?;
        let end = entries.len() < chunk;
        let seqs: Vec<i64> = entries.iter().map(|(_, seq)| *seq).collect();
        if let Some(last) = entries.last() {
            (at, seq) = *last;
            let documents: Vec<(i64, Option<String>)> =
                db.rows(&db.s.docs, (org, kind, key, bucket, seqs)).await?;
            let holds = |text: Option<String>| {
                let document = document(Some((text,)));
                words.iter().all(|word| document.contains(word))
            };
            let matching: HashSet<i64> =
                documents.into_iter().filter_map(|(seq, text)| holds(text).then_some(seq)).collect();
            let entries = entries.into_iter().filter(|(_, seq)| nat(*seq) >= first && matching.contains(seq));
            found.extend(entries.map(|(at, seq)| (at, nat(seq))));
        }
        if end {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Removes what is indexed of a bucket short of a position.
pub(super) async fn forget(db: &Db, topic: &Topic, bucket: i32, before: u64) -> Result<(), StoreError> {
    let (org, kind, key) = names(topic);
    let mut after = 0;
    loop {
        let documents: Vec<(i64, Option<String>)> =
            db.rows(&db.s.docs_after, (org, kind, key, bucket, after, limit_of(CHUNK))).await?;
        let end = documents.len() < CHUNK;
        for (seq, words) in documents {
            if nat(seq) >= before {
                return Ok(());
            }
            after = seq;
            let place = (org, kind, key, bucket, seq);
            let event: Option<(Option<i64>,)> = db.row(&db.s.event_at, place).await?;
            // Without the event its time is not known: then its entries stay, and lead nowhere.
            if let Some((Some(at),)) = event {
                let drop_word = |word: String| async move {
                    let values = (org, kind, key, bucket, word, at, seq);
                    db.run(&db.s.term_drop, values).await.map(drop)
                };
                let drops: Vec<_> = document(Some((words,))).into_iter().map(drop_word).collect();
                stream::iter(drops).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            }
            db.run(&db.s.doc_drop, place).await?;
        }
        if end {
            return Ok(());
        }
    }
}
