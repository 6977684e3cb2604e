//! Into a store.

use std::collections::HashMap;

use bytes::Bytes;
use fanfare_proto::{BadFix, OrgId, Seq, TopicName, UnixMs};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Event, Fix, Log, Mark, Record, Row, Timer, Version};
use crate::{
    id::{Tenant, Topic},
    store::{self, MarkKind, Position, Put, RecordKind, Roll, Slot, Store, StoreError, StoredFix},
};

/// Calls under way at once.
const AT_ONCE: usize = 32;
/// Events that are put at once.
const PART: usize = 100;

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
            Row::Fix(Fix { org, agent, source, class, taken }) => {
                let org = Tenant::stored(org);
                jobs.fixes.push(StoredFix { org, agent, source, class, fix: taken.try_into()? });
            }
        }
    }
    all(jobs.logs, |row| begin(store, row)).await?;
    all(jobs.events, |(topic, events)| restore(store, topic, events)).await?;
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

/// Puts a topic's events, from the first one on that is not there. `events` are in rising order.
async fn restore(store: &dyn Store, topic: Topic, events: Vec<Event>) -> Result<(), ImportError> {
    let head = head(store, &topic).await?;
    let (mut seq, mut count) = (head.seq, head.count);
    let mut there = Vec::new();
    for event in events.into_iter().filter(|event| event.seq > head.seq) {
        if event.seq != seq.next() {
            return Err(ImportError::Wrong(format!("{topic}: {} follows {seq}", event.seq)));
        }
        if event.count != count && event.count != count + 1 {
            return Err(ImportError::Wrong(format!("{topic} at {}: count {}", event.seq, event.count)));
        }
        (seq, count) = (event.seq, event.count);
        let Event { seq, author, client_id, at, name, count, revision, data, .. } = event;
        let data = Bytes::from(data);
        there.push(store::Event { seq, author, client_id, at, name, data, count, revision });
    }
    for part in there.chunks(PART) {
        match store.restore(&topic, part.to_vec()).await {
            Err(StoreError::Conflict { actual }) => {
                return Err(ImportError::Other(format!("{topic} at {actual}")));
            }
            done => done?,
        }
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
    let slot = Slot { org: Tenant::stored(org), kind: named(&kind)?, partition, key };
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
    let slot = Slot { org: Tenant::stored(org), kind: named(&kind)?, partition, key };
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
    Topic { org: Tenant::stored(org.clone()), name: name.clone() }
}
