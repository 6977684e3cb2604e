//! What the server keeps, as few shapes that every backend offers alike. Domains never write SQL or CQL.
//!
//! A call that answers `Ok` has stored what it was given, to the backend's stated degree (see each backend).
//! Every write may be repeated: the second time changes nothing.

#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod conformance;
pub mod scylla;
pub mod sqlite;
pub mod transfer;

use std::ops::RangeInclusive;

use bytes::Bytes;
use fanfare_proto::{ClientId, Epoch, Fix, OrgId, Seq, UnixMs, UserId};

use crate::id::{Audience, Topic};

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
    async fn put(&self, slot: &Slot, expect: Option<u64>, put: Put, now: UnixMs) -> Result<u64, StoreError>;

    /// Records of a partition in key order, those after `after` only.
    async fn list(
        &self,
        org: &OrgId,
        kind: RecordKind,
        partition: &str,
        after: Option<&str>,
        limit: usize,
        now: UnixMs,
    ) -> Result<Vec<(String, Record)>, StoreError>;

    /// Stores fixes. A fix is named by its agent, time, source and counter: one that comes again changes nothing, and
    /// which of two different ones of a name stays is the backend's choice.
    async fn put_fixes(&self, fixes: Vec<StoredFix>) -> Result<(), StoreError>;

    /// An agent's fixes of a span of time, rising by (time, source, counter), those after `after` only.
    async fn track(
        &self,
        org: &OrgId,
        agent: &UserId,
        span: RangeInclusive<UnixMs>,
        after: Option<FixKey>,
        limit: usize,
    ) -> Result<Vec<StoredFix>, StoreError>;

    /// The newest fix (by its own time) of every agent of an organisation, of those newer than `since`; of several
    /// with its newest time, any. One of a day that was removed and came again may be missing.
    async fn latest(&self, org: &OrgId, since: UnixMs) -> Result<Vec<StoredFix>, StoreError>;

    /// Removes fixes taken before `before`, by whole days: a day goes when all of it is older. Answers how many days.
    async fn expire_fixes(&self, before: UnixMs) -> Result<u64, StoreError>;

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

    /// Lists what there is, in an order that stays as long as nothing is written: those after `after` only, which
    /// is what the page before answered. For copies of the whole store, see [`transfer`].
    async fn roll(&self, what: Roll, after: Option<String>, limit: usize) -> Result<RollPage, StoreError>;

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

/// What to append, and to whom it goes once it is stored.
#[derive(Debug, Clone)]
pub struct Append {
    /// The log.
    pub topic: Topic,
    /// The head that the decision to append was made at.
    pub expect: Option<Seq>,
    /// The events, oldest first.
    pub events: Vec<NewEvent>,
    /// Their receivers.
    pub audience: Audience,
}

/// An event to be appended.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Who caused it.
    pub author: UserId,
    /// The author's id for the request.
    pub client_id: ClientId,
    /// Server time.
    pub at: UnixMs,
    /// The event's name, `noun:verb`.
    pub name: String,
    /// The payload, a JSON object as text.
    pub data: Bytes,
    /// Whether it raises unread counts.
    pub countable: bool,
}

/// An event in its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its position.
    pub seq: Seq,
    /// See [`NewEvent::author`].
    pub author: UserId,
    /// See [`NewEvent::client_id`].
    pub client_id: ClientId,
    /// See [`NewEvent::at`].
    pub at: UnixMs,
    /// See [`NewEvent::name`].
    pub name: String,
    /// See [`NewEvent::data`].
    pub data: Bytes,
    /// Countable events up to and with this one.
    pub count: u64,
    /// How often it was amended.
    pub revision: u32,
}

/// The answer to an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The life of the log.
    pub epoch: Epoch,
    /// One outcome for each event, in order.
    pub outcomes: Vec<Outcome>,
}

/// Where an event stands, now or since its first append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Its position.
    pub seq: Seq,
    /// The time that was stored with it.
    pub at: UnixMs,
    /// Its cumulative count.
    pub count: u64,
    /// It was in the log before this append.
    pub duplicate: bool,
}

/// The end of a topic's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The life of the log.
    pub epoch: Epoch,
    /// The newest event's position.
    pub seq: Seq,
    /// The oldest position that can still be read; `seq + 1` when none can.
    pub first: Seq,
    /// Countable events so far.
    pub count: u64,
}

impl Head {
    /// A topic without events.
    pub const fn empty(epoch: Epoch) -> Self {
        Self { epoch, seq: Seq::ZERO, first: Seq(1), count: 0 }
    }
}

/// Where a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The oldest events after this position.
    After(Seq),
    /// The newest events before this position.
    Before(Seq),
    /// The newest events.
    Latest,
}

/// Part of a log.
#[derive(Debug, Clone)]
pub struct Page {
    /// The log's end, read together with the events.
    pub head: Head,
    /// The events, rising.
    pub events: Vec<Event>,
    /// There is more in the direction read.
    pub more: bool,
}

/// Families of record. A backend stores the name, so names never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecordKind {
    /// Partition: a user. Key: a conversation that the user is or was a member of.
    Membership,
    /// Partition: a conversation. Key `state`: who takes part.
    Conversation,
}

impl RecordKind {
    const ALL: [Self; 2] = [Self::Membership, Self::Conversation];

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Membership => "membership",
            Self::Conversation => "conversation",
        }
    }
}

/// The address of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The tenant.
    pub org: OrgId,
    /// The family.
    pub kind: RecordKind,
    /// What is listed together.
    pub partition: String,
    /// Which one of the partition.
    pub key: String,
}

/// A record's new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The value, JSON as text; `None` deletes the record.
    pub value: Option<Bytes>,
    /// When it is gone by itself.
    pub expires: Option<UnixMs>,
}

/// A record as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// 1 for the first value, then rising. Never starts again, also not after a delete.
    pub version: u64,
    /// See [`Put::value`].
    pub value: Bytes,
}

/// A fix of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFix {
    /// The tenant.
    pub org: OrgId,
    /// Who was there.
    pub agent: UserId,
    /// Tells an agent's devices apart.
    pub source: u32,
    /// The fix.
    pub fix: Fix,
}

impl StoredFix {
    /// Its place in the agent's track.
    pub const fn key(&self) -> FixKey {
        FixKey { time: self.fix.time, source: self.source, counter: self.fix.counter }
    }
}

/// The order of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FixKey {
    /// When the fix was taken.
    pub time: UnixMs,
    /// Which device took it.
    pub source: u32,
    /// The device's counter.
    pub counter: u64,
}

/// Marks that a user sets in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MarkKind {
    /// A device of the user has it.
    Delivered,
    /// The user has seen it.
    Read,
}

/// A position together with the number of countable events up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The position.
    pub seq: Seq,
    /// Countable events up to it.
    pub count: u64,
}

/// A user's marks in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// See [`MarkKind::Delivered`].
    pub delivered: Position,
    /// See [`MarkKind::Read`].
    pub read: Position,
}

/// Something that is to happen later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Names it: setting it again moves it.
    pub key: String,
    /// When.
    pub due: UnixMs,
    /// What its owner needs to act, JSON as text.
    pub data: Bytes,
}

/// What [`Store::roll`] lists. Together with what the other calls read for it, this is everything a store keeps,
/// except for search indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Roll {
    /// Topics that have, or had, events.
    Topics,
    /// Records that have a value.
    Records,
    /// Timers.
    Timers,
    /// Agents that have fixes.
    Agents,
}

/// An entry of a [`Roll`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// See [`Roll::Topics`].
    Topic(Topic),
    /// See [`Roll::Records`].
    Record(Slot, Put),
    /// See [`Roll::Timers`].
    Timer(Timer),
    /// See [`Roll::Agents`].
    Agent(OrgId, UserId),
}

/// Part of a [`Roll`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollPage {
    /// What comes next.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
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
