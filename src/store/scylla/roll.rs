//! Lists of everything that there is: whole tables, page by page, in the order in which the database keeps them.

use bytes::Bytes;
use fanfare_proto::{TopicKind, TopicName, UnixMs};
use scylla::{
    deserialize::row::DeserializeRow,
    response::{PagingState, PagingStateResponse},
    statement::prepared::PreparedStatement,
};

use super::{
    db::Db,
    value::{checked, limit as limit_of, nat, tenant},
};
use crate::{
    id::Topic,
    store::{Entry, FixClass, Put, RecordKind, Roll, RollPage, Slot, StoreError, Timer, damage},
};

pub(super) async fn roll(
    db: &Db,
    what: Roll,
    after: Option<&str>,
    limit: usize,
) -> Result<RollPage, StoreError> {
    match what {
        Roll::Topics => page(db, &db.s.roll_topics, topic, after, limit).await,
        Roll::Records => page(db, &db.s.roll_records, record, after, limit).await,
        Roll::Histories => page(db, &db.s.roll_histories, history, after, limit).await,
        Roll::Timers => page(db, &db.s.roll_timers, timer, after, limit).await,
        Roll::Agents => agents(db, after, limit).await,
    }
}

/// The place in a list is the driver's, which names the row by its key.
async fn page<T>(
    db: &Db,
    statement: &PreparedStatement,
    entry: impl Fn(T) -> Result<Option<Entry>, StoreError>,
    after: Option<&str>,
    limit: usize,
) -> Result<RollPage, StoreError>
where
    T: for<'frame> DeserializeRow<'frame, 'frame>,
{
    let mut statement = statement.clone();
    statement.set_page_size(limit_of(limit));
    let state = match after {
        Some(after) => PagingState::new_from_raw_bytes(unhex(after)?),
        None => PagingState::start(),
    };
    let (rows, state) = db.page::<T>(&statement, state).await?;
    let place = after.unwrap_or_default();
    let entries = rows
        .into_iter()
        .filter_map(|row| damage::readable("row", || format!("after {place}"), entry(row)))
        .flatten();
    let next = match state {
        PagingStateResponse::HasMorePages { state } => state.as_bytes_slice().map(|bytes| hex(bytes)),
        PagingStateResponse::NoMorePages => None,
    };
    Ok(RollPage { entries: entries.collect(), next })
}

fn topic((org, kind, key): (String, String, String)) -> Result<Option<Entry>, StoreError> {
    let kind: TopicKind = checked(&kind)?;
    Ok(Some(Entry::Topic(Topic { org: tenant(&org)?, name: TopicName { kind, key: checked(&key)? } })))
}

fn slot(org: &str, kind: &str, partition: String, key: String) -> Result<Slot, StoreError> {
    let kind =
        RecordKind::named(kind).ok_or_else(|| StoreError::Corrupt(format!("no records are {kind}")))?;
    Ok(Slot { org: tenant(org)?, kind, partition, key })
}

fn history(
    (org, kind, partition, key): (String, String, String, String),
) -> Result<Option<Entry>, StoreError> {
    Ok(Some(Entry::History(slot(&org, &kind, partition, key)?)))
}

type RecordRow = (String, String, String, String, Option<bool>, Option<i64>, Option<Vec<u8>>);

fn record((org, kind, partition, key, gone, expires, value): RecordRow) -> Result<Option<Entry>, StoreError> {
    if gone != Some(false) {
        return Ok(None);
    }
    let slot = slot(&org, &kind, partition, key)?;
    let value = Some(Bytes::from(value.unwrap_or_default()));
    Ok(Some(Entry::Record(slot, Put { value, expires: expires.map(|at| UnixMs(nat(at))) })))
}

#[expect(clippy::unnecessary_wraps, reason = "as the other lists' entries")]
fn timer((key, due, data): (String, Option<i64>, Option<Vec<u8>>)) -> Result<Option<Entry>, StoreError> {
    let timer = |due| Timer { key, due: UnixMs(nat(due)), data: Bytes::from(data.unwrap_or_default()) };
    Ok(due.map(timer).map(Entry::Timer))
}

/// Class by class; the place in the list begins with the class. Who has fixes of an earlier class was listed there.
async fn agents(db: &Db, after: Option<&str>, limit: usize) -> Result<RollPage, StoreError> {
    let (class, after) = match after {
        Some(after) => {
            let (class, after) = after.split_once('.').ok_or(StoreError::NotFound)?;
            (
                FixClass::named(class).ok_or(StoreError::NotFound)?,
                Some(after).filter(|after| !after.is_empty()),
            )
        }
        None => (FixClass::ALL[0], None),
    };
    let mut found = page(db, &db.s.fixes(class).roll_agents, agent, after, limit).await?;
    let mut entries = Vec::with_capacity(found.entries.len());
    for entry in found.entries {
        if !listed_before(db, class, &entry).await? {
            entries.push(entry);
        }
    }
    found.entries = entries;
    found.next = match found.next {
        Some(next) => Some(format!("{}.{next}", class.as_str())),
        None => {
            FixClass::ALL.into_iter().find(|next| *next > class).map(|next| format!("{}.", next.as_str()))
        }
    };
    Ok(found)
}

async fn listed_before(db: &Db, class: FixClass, entry: &Entry) -> Result<bool, StoreError> {
    let Entry::Agent(org, agent) = entry else { return Ok(false) };
    for earlier in FixClass::ALL.into_iter().filter(|earlier| *earlier < class) {
        let place = (org.as_str(), agent.as_str());
        if db.row::<(i64,)>(&db.s.fixes(earlier).any_bucket, place).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn agent((org, agent): (String, String)) -> Result<Option<Entry>, StoreError> {
    Ok(Some(Entry::Agent(tenant(&org)?, checked(&agent)?)))
}

fn hex(bytes: &[u8]) -> String {
    fanfare_proto::id::hex(bytes)
}

fn unhex(text: &str) -> Result<Vec<u8>, StoreError> {
    let pair = |at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(|at| pair(at).ok_or(StoreError::NotFound)).collect()
}
