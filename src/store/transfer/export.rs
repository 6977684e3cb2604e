//! Out of a store.

use fanfare_proto::{Seq, UnixMs, UserId};
use serde::{Deserialize, Serialize};

use super::{Event, Fix, Log, Mark, Record, Row, Timer, Version};
use crate::{
    id::{Tenant, Topic},
    store::{self, Entry, From, Roll, Slot, Store, StoreError},
};

/// Entries of a roll that are read at once, and where an interrupted export goes on: fewer of what holds more.
const fn page(what: Roll) -> usize {
    match what {
        Roll::Agents => 1,
        Roll::Topics | Roll::Histories => 8,
        Roll::Records | Roll::Timers => 500,
    }
}

/// Events and fixes that are read at once.
const READ: usize = 1_000;
const READ_BYTES: usize = 4 << 20;

/// How far an export has got: always between two entries of a roll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    what: Roll,
    after: Option<String>,
}

impl Place {
    const START: Self = Self { what: Roll::Topics, after: None };

    /// Which part it is in.
    pub const fn what(&self) -> Roll {
        self.what
    }
}

/// Hands rows to `sink` for a while, from `place` on, and answers from where to go on; `None` once that was all.
///
/// What has expired `at` this time is left out. Nothing may be written to the store meanwhile.
pub async fn export<E: std::convert::From<StoreError>>(
    store: &dyn Store,
    at: UnixMs,
    place: Option<Place>,
    sink: &mut impl FnMut(Row) -> Result<(), E>,
) -> Result<Option<Place>, E> {
    let Place { what, after } = place.unwrap_or(Place::START);
    let page = store.roll(what, after, page(what)).await?;
    for entry in page.entries {
        match entry {
            Entry::Topic(topic) => log(store, &topic, sink).await?,
            Entry::Record(slot, put) => {
                let live = put.expires.is_none_or(|expires| at < expires);
                if let Some(value) = put.value.filter(|_| live) {
                    let (kind, expires) = (slot.kind.as_str().to_owned(), put.expires);
                    let Slot { org, partition, key, .. } = slot;
                    let org = org.org().clone();
                    sink(Row::Record(Record { org, kind, partition, key, expires, value: text(&value)? }))?;
                }
            }
            Entry::History(slot) => history(store, slot, sink).await?,
            Entry::Timer(store::Timer { key, due, data }) => {
                sink(Row::Timer(Timer { key, due, data: text(&data)? }))?;
            }
            Entry::Agent(org, agent) => track(store, &org, &agent, sink).await?,
        }
    }
    Ok(match (page.next, what) {
        (Some(after), _) => Some(Place { what, after: Some(after) }),
        (None, Roll::Topics) => Some(Place { what: Roll::Records, after: None }),
        (None, Roll::Records) => Some(Place { what: Roll::Histories, after: None }),
        (None, Roll::Histories) => Some(Place { what: Roll::Timers, after: None }),
        (None, Roll::Timers) => Some(Place { what: Roll::Agents, after: None }),
        (None, Roll::Agents) => None,
    })
}

async fn log<E: std::convert::From<StoreError>>(
    store: &dyn Store,
    topic: &Topic,
    sink: &mut impl FnMut(Row) -> Result<(), E>,
) -> Result<(), E> {
    let mut page = store.read(topic, From::After(Seq::ZERO), READ, READ_BYTES).await?;
    let head = page.head;
    let base = page.events.first().map_or(head.count, |event| event.count.saturating_sub(1));
    let (org, name) = (topic.org.org(), &topic.name);
    sink(Row::Log(Log {
        org: org.clone(),
        topic: name.clone(),
        first: head.first,
        base,
        head: head.seq,
        count: head.count,
    }))?;
    loop {
        let last = page.events.last().map(|event| event.seq);
        for event in page.events {
            let store::Event { seq, author, client_id, at, name: event_name, data, count, revision } = event;
            sink(Row::Event(Event {
                org: org.clone(),
                topic: name.clone(),
                seq,
                author,
                client_id,
                at,
                name: event_name,
                count,
                revision,
                data: text(&data)?,
            }))?;
        }
        match last {
            Some(last) if page.more => page = store.read(topic, From::After(last), READ, READ_BYTES).await?,
            _ => break,
        }
    }
    for (user, store::Mark { delivered, read }) in store.marks(topic).await? {
        let (delivered, read) = ((delivered.seq, delivered.count), (read.seq, read.count));
        sink(Row::Mark(Mark { org: org.clone(), topic: name.clone(), user, delivered, read }))?;
    }
    Ok(())
}

/// Also versions that have expired: they are history.
async fn history<E: std::convert::From<StoreError>>(
    store: &dyn Store,
    slot: Slot,
    sink: &mut impl FnMut(Row) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = 0;
    loop {
        let page = store.history(&slot, after, READ, READ_BYTES).await?;
        let Some(last) = page.versions.last() else { return Ok(()) };
        after = last.version;
        for store::Version { version: number, at, by, put } in page.versions {
            let Slot { org, kind, partition, key } = slot.clone();
            let org = org.org().clone();
            let value = put.value.as_deref().map(text).transpose()?;
            let (kind, expires) = (kind.as_str().to_owned(), put.expires);
            sink(Row::Version(Version { org, kind, partition, key, number, at, by, expires, value }))?;
        }
    }
}

async fn track<E: std::convert::From<StoreError>>(
    store: &dyn Store,
    org: &Tenant,
    agent: &UserId,
    sink: &mut impl FnMut(Row) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = None;
    loop {
        let fixes = store.track(org, agent, UnixMs(0)..=UnixMs(u64::MAX), after, READ).await?;
        let Some(last) = fixes.last() else { return Ok(()) };
        after = Some(last.key());
        for store::StoredFix { org, agent, source, class, fix } in fixes {
            let org = org.org().clone();
            sink(Row::Fix(Fix { org, agent, source, class, taken: fix.into() }))?;
        }
    }
}

fn text(bytes: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| StoreError::Corrupt("a text is not UTF-8".to_owned()))
}
