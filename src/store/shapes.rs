//! What goes into a store and comes out of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use fanfare_proto::{ClientId, Epoch, Fix, OrgId, Seq, UnixMs, UserId};
use serde::{Deserialize, Serialize};

use crate::id::{Audience, Topic};

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
    /// Partition: a folder of documents. Key: a document. Its history is kept.
    Document,
    /// Partition: a list of incidents. Key: an incident. Its history is kept.
    Incident,
    /// Partition: an agent. Key: a shift. Its history is kept.
    Shift,
    /// Partition `people`. Key: a bucket of people: what they show, and when they were last seen.
    Presence,
    /// Of the servers. Partition: a node. Key: an organisation and a page: who is there.
    Present,
    /// Of the servers. Partition `nodes`. Key: a node: its lease, and what it has changed last.
    Node,
}

/// How much of each record's history is kept. What is beyond goes from the oldest on; the newest version always stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The newest so many versions.
    pub versions: u64,
    /// Of those, the newest with so many bytes of values.
    pub bytes: u64,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Membership,
        Self::Conversation,
        Self::Document,
        Self::Incident,
        Self::Shift,
        Self::Presence,
        Self::Present,
        Self::Node,
    ];

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Membership => "membership",
            Self::Conversation => "conversation",
            Self::Document => "document",
            Self::Incident => "incident",
            Self::Shift => "shift",
            Self::Presence => "presence",
            Self::Present => "present",
            Self::Node => "node",
        }
    }

    /// What is kept of its records' history; `None`: the newest value only.
    ///
    /// Whether there is one never changes for a kind, as a backend may keep the two in different tables. On a CQL
    /// database a record with its history is one partition, so the bytes stay well below 100 MB.
    pub const fn keep(self) -> Option<Keep> {
        match self {
            Self::Membership | Self::Conversation | Self::Presence | Self::Present | Self::Node => None,
            Self::Document => Some(Keep { versions: 1_000, bytes: 32 << 20 }),
            Self::Incident => Some(Keep { versions: 1_000, bytes: 8 << 20 }),
            Self::Shift => Some(Keep { versions: 100, bytes: 1 << 20 }),
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

/// A version of a record whose kind keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// See [`Record::version`].
    pub version: u64,
    /// When it was put.
    pub at: UnixMs,
    /// Who put it, where that was told.
    pub by: Option<UserId>,
    /// What was put.
    pub put: Put,
}

/// Part of a record's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The oldest version that is kept; `last + 1` where none is.
    pub first: u64,
    /// The newest version, 0 where there never was one.
    pub last: u64,
    /// The versions, rising without a gap.
    pub versions: Vec<Version>,
}

impl History {
    /// That of a record that never was, or whose kind keeps none.
    pub const NONE: Self = Self { first: 1, last: 0, versions: Vec::new() };
}

/// How long a fix is kept: fixes of a class go together, so a backend keeps them in tables of their own. A backend stores
/// the name, so names never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixClass {
    /// For a short time.
    Short,
    /// As usual.
    #[default]
    Standard,
    /// For a long time.
    Long,
}

impl FixClass {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Short, Self::Standard, Self::Long];

    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Standard => "standard",
            Self::Long => "long",
        }
    }

    /// The class with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
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
    /// How long it is kept.
    pub class: FixClass,
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

impl FixKey {
    /// After every fix.
    pub(super) const END: Self =
        Self { time: UnixMs(u64::MAX), source: u32::MAX, counter: i64::MAX.cast_unsigned() };

    /// Tables hold counters as signed numbers, so that is the order of a track.
    const fn order(self) -> (UnixMs, u32, i64) {
        (self.time, self.source, self.counter.cast_signed())
    }
}

/// One track of those of several classes: the first `limit` fixes. A fix that two classes hold, as its class was changed
/// before it was sent again, comes once.
pub(super) fn merged(tracks: impl IntoIterator<Item = Vec<StoredFix>>, limit: usize) -> Vec<StoredFix> {
    let mut fixes: Vec<_> = tracks.into_iter().flatten().collect();
    fixes.sort_by_key(|fix| fix.key().order());
    fixes.dedup_by_key(|fix| fix.key());
    fixes.truncate(limit);
    fixes
}

/// The newest fix of each agent, of those of several classes; by agent.
pub(super) fn newest(fixes: impl IntoIterator<Item = StoredFix>) -> Vec<StoredFix> {
    let mut newest: BTreeMap<UserId, StoredFix> = BTreeMap::new();
    for fix in fixes {
        if newest.get(&fix.agent).is_none_or(|newest| newest.key() < fix.key()) {
            newest.insert(fix.agent.clone(), fix);
        }
    }
    newest.into_values().collect()
}

/// A place in a window: everything before it has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowKey {
    /// The UTC day, since 1970-01-01.
    pub day: u64,
    /// The agent whose fixes come next on that day, and the last one of them that was read; `None`: the day's first agent.
    pub at: Option<(UserId, FixKey)>,
}

/// Part of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The fixes, by day, then by agent, then as in a track.
    pub fixes: Vec<StoredFix>,
    /// Where to go on; `None`: that was all.
    pub next: Option<WindowKey>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Roll {
    /// Topics that have, or had, events.
    Topics,
    /// Records that have a value, of the kinds that keep no history.
    Records,
    /// Records, also those without a value, of the kinds that keep their history.
    Histories,
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
    /// See [`Roll::Histories`].
    History(Slot),
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
