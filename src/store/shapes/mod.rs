//! What goes into a store and comes out of it.

mod fix;
mod record;

use bytes::Bytes;
use fanfare_proto::{ClientId, Epoch, Seq, UnixMs, UserId};
use serde::{Deserialize, Serialize};

pub(super) use self::fix::{merged, newest};
pub use self::{
    fix::{FixClass, FixKey, StoredFix, Window, WindowKey},
    record::{History, Keep, Put, Record, RecordKind, Slot, Version},
};

use crate::id::{Audience, Tenant, Topic};

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
    /// The newest event's time, while that event can be read.
    pub at: Option<UnixMs>,
}

impl Head {
    /// A topic without events.
    pub const fn empty(epoch: Epoch) -> Self {
        Self { epoch, seq: Seq::ZERO, first: Seq(1), count: 0, at: None }
    }

    /// Whether any event can be read.
    pub const fn has_events(&self) -> bool {
        self.first.0 <= self.seq.0
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
    Agent(Tenant, UserId),
}

/// Part of a [`Roll`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollPage {
    /// What comes next.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<String>,
}
