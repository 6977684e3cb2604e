//! Into a store.

use std::collections::HashMap;

use bytes::Bytes;
use fanfare_proto::{BadFix, OrgId, Seq, TopicName, UnixMs};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Event, Fix, Log, Mark, Record, Row, Timer, Version};
use crate::{
    id::{Audience, Topic},
    store::{
        self, Append, MarkKind, NewEvent, Position, Put, RecordKind, Roll, Slot, Store, StoreError, StoredFix,
    },
};

/// Calls under way at once.
const AT_ONCE: usize = 32;
/// Events in one append.
const APPEND: usize = 100;

/// Why rows could not be put into a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The store failed. What was put stays; the same rows can be put again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row's content cannot be.
    #[error("{0}")]
    Wrong(String),
    /// The store holds something else in this place.
    #[error("the store holds something else already: {0}")]
    Other(String),
}

impl From<BadFix> for ImportError {
    fn from(bad: BadFix) -> Self {
        Self::Wrong(format!("a fix: {bad}"))
    }
}

/// Whether there is nothing in a store.
pub async fn is_empty(store: &dyn Store) -> Result<bool, StoreError> {
    for what in [Roll::Topics, Roll::Records, Roll::Histories, Roll::Timers, Roll::Agents] {
        let mut after = None;
        loop {
            let page = store.roll(what, after, 100).await?;
            if !page.entries.is_empty() {
                return Ok(false);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(true)
}

/// Puts rows into a store, which had all rows before them in the order of their export. Those that are there already
/// change nothing.
pub async fn import(store: &dyn Store, now: UnixMs, rows: Vec<Row>) -> Result<(), ImportError> {
    let mut jobs = Jobs::default();
    for row in rows {
        match row {
            Row::Log(log) => jobs.logs.push(log),
            Row::Event(event) => {
                jobs.events.entry(topic(&event.org, &event.topic)).or_default().push(event);
            }
            Row::Mark(row) => jobs.marks.push(row),
            Row::Record(row) => jobs.records.push(row),
            Row::Version(row) => {
                let (slot, version) = version(row)?;
                jobs.versions.entry(slot).or_default().push(version);
            }
            Row::Timer(row) => jobs.timers.push(row),
            Row::Fix(Fix { org, agent, source, taken }) => {
                jobs.fixes.push(StoredFix { org, agent, source, fix: taken.try_into()? });
            }
        }
    }
    all(jobs.logs, |row| begin(store, row)).await?;
    all(jobs.events, |(topic, events)| append(store, topic, events)).await?;
    all(jobs.marks, |row| mark(store, row)).await?;
    all(jobs.records, |row| record(store, now, row)).await?;
    all(jobs.versions, |(slot, versions)| history(store, slot, versions)).await?;
    all(jobs.timers, |row| timer(store, row)).await?;
    if !jobs.fixes.is_empty() {
        store.put_fixes(jobs.fixes).await?;
    }
    Ok(())
}

#[derive(Default)]
struct Jobs {
    logs: Vec<Log>,
    events: HashMap<Topic, Vec<Event>>,
    marks: Vec<Mark>,
    records: Vec<Record>,
    versions: HashMap<Slot, Vec<store::Version>>,
    timers: Vec<Timer>,
    fixes: Vec<StoredFix>,
}

async fn all<T, F>(rows: impl IntoIterator<Item = T>, put: impl Fn(T) -> F) -> Result<(), ImportError>
where
    F: Future<Output = Result<(), ImportError>>,
{
    stream::iter(rows).map(|row| Ok(put(row))).try_buffer_unordered(AT_ONCE).try_collect().await
}

async fn begin(store: &dyn Store, row: Log) -> Result<(), ImportError> {
    let topic = topic(&row.org, &row.topic);
    store.begin(&topic, row.first, row.base).await?;
    Ok(())
}

/// Appends a topic's events, from the first one on that is not there. `events` are in rising order.
async fn append(store: &dyn Store, topic: Topic, mut events: Vec<Event>) -> Result<(), ImportError> {
    let head = head(store, &topic).await?;
    let amended: Vec<_> = events.iter().filter(|event| event.revision > 0).cloned().collect();
    events.retain(|event| event.seq > head.seq);
    let (mut seq, mut count) = (head.seq, head.count);
    for part in events.chunks(APPEND) {
        let expect = seq;
        let mut batch = Vec::with_capacity(part.len());
        for event in part {
            if event.seq != seq.next() {
                return Err(ImportError::Wrong(format!("{topic}: {} follows {seq}", event.seq)));
            }
            batch.push(NewEvent {
                author: event.author.clone(),
                client_id: event.client_id.clone(),
                at: event.at,
                name: event.name.clone(),
                data: Bytes::from(event.data.clone()),
                countable: event.count > count,
            });
            (seq, count) = (event.seq, event.count);
        }
        let audience = Audience::Members([].into());
        let append = Append { topic: topic.clone(), expect: Some(expect), events: batch, audience };
        let appended = store.append(append).await?;
        if appended.outcomes.last().is_none_or(|last| last.seq != seq || last.count != count) {
            return Err(ImportError::Other(format!("{topic} at {seq}")));
        }
    }
    for event in amended {
        amend(store, &topic, event).await?;
    }
    Ok(())
}

/// Brings an event's revision to what it was, by as many amendments as it takes.
async fn amend(store: &dyn Store, topic: &Topic, event: Event) -> Result<(), ImportError> {
    let Event { seq, name, revision, data, .. } = event;
    let data = Bytes::from(data);
    let mut at = 0;
    while at < revision {
        at = match store.amend(topic, seq, at, name.clone(), data.clone()).await {
            Ok(next) => next,
            Err(StoreError::Conflict { actual }) => u32::try_from(actual).unwrap_or(u32::MAX),
            Err(error) => return Err(error.into()),
        };
    }
    Ok(())
}

async fn head(store: &dyn Store, topic: &Topic) -> Result<store::Head, ImportError> {
    let heads = store.heads(std::slice::from_ref(topic)).await?;
    heads.first().copied().ok_or_else(|| StoreError::Corrupt("no head".to_owned()).into())
}

async fn mark(store: &dyn Store, row: Mark) -> Result<(), ImportError> {
    let topic = topic(&row.org, &row.topic);
    for (kind, (seq, count)) in [(MarkKind::Delivered, row.delivered), (MarkKind::Read, row.read)] {
        if seq > Seq::ZERO {
            store.mark(&topic, &row.user, kind, Position { seq, count }).await?;
        }
    }
    Ok(())
}

async fn record(store: &dyn Store, now: UnixMs, row: Record) -> Result<(), ImportError> {
    let Record { org, kind, partition, key, expires, value } = row;
    let slot = Slot { org, kind: named(&kind)?, partition, key };
    let value = Bytes::from(value);
    let put = Put { value: Some(value.clone()), expires };
    match store.put(&slot, None, put, now).await {
        Ok(_) => Ok(()),
        Err(StoreError::Conflict { .. }) => match store.get(&slot, now).await? {
            Some(there) if there.value == value => Ok(()),
            _ => Err(ImportError::Other(format!("{} {}", slot.kind.as_str(), slot.key))),
        },
        Err(error) => Err(error.into()),
    }
}

fn named(kind: &str) -> Result<RecordKind, ImportError> {
    RecordKind::named(kind).ok_or_else(|| ImportError::Wrong(format!("no records are named {kind}")))
}

fn version(row: Version) -> Result<(Slot, store::Version), ImportError> {
    let Version { org, kind, partition, key, number, at, by, expires, value } = row;
    let slot = Slot { org, kind: named(&kind)?, partition, key };
    if slot.kind.keep().is_none() {
        return Err(ImportError::Wrong(format!("no versions are kept of {kind}")));
    }
    let put = Put { value: value.map(Bytes::from), expires };
    Ok((slot, store::Version { version: number, at, by, put }))
}

/// Puts a record's versions, from the first one on that is not there, each at its own time. They are in rising order.
async fn history(store: &dyn Store, slot: Slot, versions: Vec<store::Version>) -> Result<(), ImportError> {
    let name = || format!("{} {}", slot.kind.as_str(), slot.key);
    let mut there = store.history(&slot, u64::MAX, 1, 1).await?;
    if let Some(first) = versions.first()
        && there.last == 0
        && first.version > 1
    {
        store.begin_history(&slot, first.version - 1).await?;
        there.last = first.version - 1;
    }
    for new in versions {
        if new.version <= there.last {
            let found = store.history(&slot, new.version - 1, 1, usize::MAX).await?.versions;
            if found.first() != Some(&new) {
                return Err(ImportError::Other(name()));
            }
            continue;
        }
        if new.version != there.last + 1 {
            return Err(ImportError::Wrong(format!("{}: {} follows {}", name(), new.version, there.last)));
        }
        let expect = store.get(&slot, new.at).await?.map(|record| record.version);
        let put = store.put_by(&slot, expect, new.put, new.by, new.at).await?;
        if put != new.version {
            return Err(ImportError::Other(name()));
        }
        there.last = put;
    }
    Ok(())
}

async fn timer(store: &dyn Store, row: Timer) -> Result<(), ImportError> {
    let Timer { key, due, data } = row;
    Ok(store.set_timer(store::Timer { key, due, data: Bytes::from(data) }).await?)
}

fn topic(org: &OrgId, name: &TopicName) -> Topic {
    Topic { org: org.clone(), name: name.clone() }
}
