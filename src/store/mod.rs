//! What the server keeps, as few shapes that every backend offers alike. Domains never write SQL or CQL.
//!
//! A call that answers `Ok` has stored what it was given, to the backend's stated degree (see each backend).
//! Every write may be repeated: the second time changes nothing.

#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod conformance;
pub(crate) mod damage;
pub mod scylla;
mod shapes;
pub mod sqlite;
pub mod transfer;

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use bytes::Bytes;
use fanfare_proto::{Epoch, Lane, Seq, UnixMs, UserId};

pub use self::shapes::{
    Append, Appended, Entry, Event, FixClass, FixKey, From, Head, History, Keep, Mark, MarkKind, NewEvent,
    Outcome, Page, Position, Put, Record, RecordKind, Roll, RollPage, Slot, StoredFix, Timer, Version,
    Window, WindowKey,
};
use crate::id::{Audience, Tenant, Topic};

/// A backend. Methods never block the caller's thread.
#[async_trait::async_trait]
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    /// Appends events to a topic, all or none, and publishes them through [`Committed`] before it answers.
    ///
    /// An event whose (topic, author, client id) is in the log already is not appended again; its outcome names
    /// the first one. Duplicates are recognised for at least 24 h. With `expect`, nothing is appended unless the
    /// topic's head is just that (a batch of duplicates only answers as duplicates even then).
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// Reads a page of a topic's events, in rising order of `seq` whatever the direction.
    ///
    /// Stops early, with `more`, once the page holds `max_bytes` of data; it always holds one event if there is one.
    async fn read(
        &self,
        topic: &Topic,
        from: From,
        limit: usize,
        max_bytes: usize,
    ) -> Result<Page, StoreError>;

    /// The heads of topics, in the order asked. A topic without events has [`Head::EMPTY`]'s positions.
    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Head>, StoreError>;

    /// Replaces an event's name and data if its revision is still `revision`; it keeps its seq, author and time.
    /// Answers the new revision. An amended event is what every later read returns.
    async fn amend(
        &self,
        topic: &Topic,
        seq: Seq,
        revision: u32,
        name: String,
        data: Bytes,
    ) -> Result<u32, StoreError>;

    /// Removes the events of `kind` older than `before` from the front of their topics. Heads stay.
    /// Answers how many went.
    async fn expire(&self, kind: fanfare_proto::TopicKind, before: UnixMs) -> Result<u64, StoreError>;

    /// A record, unless it has expired at `now`.
    async fn get(&self, slot: &Slot, now: UnixMs) -> Result<Option<Record>, StoreError>;

    /// Writes a record if its version is still `expect` (`None`: it does not exist), and answers the new version.
    ///
    /// If the record's kind keeps its history, the version is part of that if and only if it was put, together with
    /// `by` and `now`.
    async fn put_by(
        &self,
        slot: &Slot,
        expect: Option<u64>,
        put: Put,
        by: Option<UserId>,
        now: UnixMs,
    ) -> Result<u64, StoreError>;

    /// The same, by nobody in particular.
    async fn put(&self, slot: &Slot, expect: Option<u64>, put: Put, now: UnixMs) -> Result<u64, StoreError> {
        self.put_by(slot, expect, put, None, now).await
    }

    /// A page of a record's versions, rising, those after `after` only, as far as they are kept (see
    /// [`RecordKind::keep`]). Deletions are versions, too; values that have expired stay.
    ///
    /// Stops early once the page holds `max_bytes` of values; it always holds one version if there is one.
    async fn history(
        &self,
        slot: &Slot,
        after: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<History, StoreError>;

    /// Records of a partition in key order, those after `after` only.
    async fn list(
        &self,
        org: &Tenant,
        kind: RecordKind,
        partition: &str,
        after: Option<&str>,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<(String, Record)>, StoreError>;

    /// Stores fixes. A fix is named by its agent, time, source and counter: one that comes again changes nothing, and
    /// which of two different ones of a name stays is the backend's choice.
    async fn put_fixes(&self, fixes: Vec<StoredFix>) -> Result<(), StoreError>;

    /// An agent's fixes of a span of time, of all classes, rising by (time, source, counter), those after `after` only.
    async fn track(
        &self,
        org: &Tenant,
        agent: &UserId,
        span: RangeInclusive<UnixMs>,
        after: Option<FixKey>,
        limit: usize,
    ) -> Result<Vec<StoredFix>, StoreError>;

    /// The fixes of an organisation's agents (of `among`, where that is given) in a span of time: by UTC day, then by
    /// agent, then as in a track; those after `after` only.
    ///
    /// A call looks at so many days and agents at most, so a page may hold fewer than `limit` fixes, and even none, while
    /// there is more.
    async fn window(
        &self,
        org: &Tenant,
        among: Option<Arc<BTreeSet<UserId>>>,
        span: RangeInclusive<UnixMs>,
        after: Option<WindowKey>,
        limit: usize,
    ) -> Result<Window, StoreError>;

    /// The newest fix (by its own time) of every agent of an organisation, of those newer than `since`; of several
    /// with its newest time, any. One of a day that was removed and came again may be missing.
    async fn latest(&self, org: &Tenant, since: UnixMs) -> Result<Vec<StoredFix>, StoreError>;

    /// Removes fixes of a class taken before `before`, by whole days: a day goes when all of it is older. Answers how
    /// many days.
    async fn expire_fixes(&self, class: FixClass, before: UnixMs) -> Result<u64, StoreError>;

    /// Advances a user's mark in a topic. A lower position changes nothing. Answers the mark that now holds.
    async fn mark(
        &self,
        topic: &Topic,
        user: &UserId,
        kind: MarkKind,
        to: Position,
    ) -> Result<Mark, StoreError>;

    /// The marks of every user in a topic, by user.
    async fn marks(&self, topic: &Topic) -> Result<Vec<(UserId, Mark)>, StoreError>;

    /// One user's marks in several topics, in the order asked.
    async fn marks_of(&self, user: &UserId, topics: &[Topic]) -> Result<Vec<Mark>, StoreError>;

    /// Sets a timer, or moves the one with this key.
    async fn set_timer(&self, timer: Timer) -> Result<(), StoreError>;

    /// Takes timers due at `now`, hiding each from others until `now + lease_ms`. At least once: one that is not
    /// cleared comes again.
    async fn due_timers(&self, now: UnixMs, lease_ms: u64, limit: usize) -> Result<Vec<Timer>, StoreError>;

    /// Removes a timer. Unknown ones are fine.
    async fn clear_timer(&self, key: &str) -> Result<(), StoreError>;

    /// Makes an event's text findable, replacing what was indexed for it; empty text removes it.
    async fn index_text(&self, topic: &Topic, seq: Seq, text: &str) -> Result<(), StoreError>;

    /// Events of these topics that hold every word of `query`, newest first.
    async fn search_text(
        &self,
        topics: &[Topic],
        query: &str,
        limit: usize,
    ) -> Result<Vec<(Topic, Seq)>, StoreError>;

    /// Makes a log that begins at `first`, with `count` countable events before it, unless the topic has one.
    /// For what comes from another store.
    async fn begin(&self, topic: &Topic, first: Seq, count: u64) -> Result<(), StoreError>;

    /// Puts events at the end of a log just as they were in another store, whatever repetitions there are among them, and
    /// publishes nothing. Each follows the one before, the first one the head: otherwise it is a conflict. Where it
    /// fails, some of the first may be there. Of requests that are there twice, the later one is what repetitions find.
    async fn restore(&self, topic: &Topic, events: Vec<Event>) -> Result<(), StoreError>;

    /// Makes a record without a value, whose next version is the one after `last`, unless there is one already. Only for
    /// kinds that keep their history; for what comes from another store.
    async fn begin_history(&self, slot: &Slot, last: u64) -> Result<(), StoreError>;

    /// Lists what there is, in an order that stays as long as nothing is written: those after `after` only, which
    /// is what the page before answered. For copies of the whole store, see [`transfer`].
    async fn roll(&self, what: Roll, after: Option<String>, limit: usize) -> Result<RollPage, StoreError>;

    /// Why nothing can be stored now; `None` where nothing is known to be in the way. Answers at once.
    fn trouble(&self) -> Option<String>;

    /// Waits until all that was accepted is stored, then closes. Later calls answer [`StoreError::Unavailable`].
    async fn close(&self);
}

/// Receives what a backend has made durable.
///
/// Called on the backend's own thread, in seq order per topic, before the append is answered. Must not block.
pub trait Committed: Send + Sync + 'static {
    /// `events` of `topic` are durable and go to `audience`.
    fn committed(&self, topic: &Topic, epoch: Epoch, audience: &Audience, events: &[Event]);
}

/// Why a call did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The head, version or revision is not the one expected. Holds the one that is.
    #[error("conflict: it is at {actual}")]
    Conflict {
        /// The head's seq, the record's version (0: none) or the event's revision.
        actual: u64,
    },
    /// No such event.
    #[error("not found")]
    NotFound,
    /// The backend cannot take or answer it now. Nothing is known to be stored.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The backend never takes as much at once.
    #[error("too large for the store")]
    TooLarge,
    /// The backend holds something that it should not.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

/// The lane of a call about several topics: urgent if all are, so that ordinary ones cannot ride along.
fn lane_of(topics: &[Topic]) -> Lane {
    let urgent = !topics.is_empty() && topics.iter().all(|topic| topic.kind().lane() == Lane::Urgent);
    if urgent { Lane::Urgent } else { Lane::Ordered }
}
