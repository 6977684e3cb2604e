//! Everything that a store keeps, as lines of JSON, from one store into another.
//!
//! ```text
//! {"fanfare_export":1,"at":1790000000000}
//! {"log":{"org":"acme","topic":"conversation:4f","first":1,"base":0,"head":2,"count":1}}
//! {"event":{"org":"acme","topic":"conversation:4f","seq":1,…,"data":"{…}"}}
//! {"mark":…} {"record":…} {"version":…} {"timer":…} {"fix":…}
//! {"total":{"logs":1,"events":2,…,"sum":"4be1…"}}
//! ```
//!
//! Positions stay what they are; the store that they come into has an epoch of its own, so that clients read anew
//! what they may have seen otherwise. Versions of records begin again, but for those whose kind keeps them. Search indexes are not among it.

mod export;
mod import;

use std::fmt;

use fanfare_proto::{ClientId, JsonFix, OrgId, Seq, TopicName, UnixMs, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::store::{FixClass, scylla::LARGEST};

pub use self::{
    export::{Place, export},
    import::{ImportError, import, is_empty},
};

/// The first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    fanfare_export: u32,
    /// When the export began: what has expired by then is not part of it.
    pub at: UnixMs,
}

impl Header {
    const FORM: u32 = 1;

    /// That of an export that begins now.
    pub const fn new(at: UnixMs) -> Self {
        Self { fanfare_export: Self::FORM, at }
    }

    /// `None` if this is another form than the one described here.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok().filter(|header: &Self| header.fanfare_export == Self::FORM)
    }
}

/// What a line between the first and the last holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// A topic, before its events and marks.
    Log(Log),
    /// An event of the log before it. They come in rising order without a gap.
    Event(Event),
    /// How far a user has got in a topic.
    Mark(Mark),
    /// A record, of a kind that keeps no history.
    Record(Record),
    /// A version of a record, of a kind that keeps them. They come in rising order without a gap.
    Version(Version),
    /// A timer.
    Timer(Timer),
    /// A fix of an agent.
    Fix(Fix),
}

impl Row {
    /// Whether it is an event that a CQL database does not take.
    pub const fn is_for_sqlite_only(&self) -> bool {
        matches!(self, Self::Event(event) if event.data.len() > LARGEST)
    }
}

/// See [`Row::Log`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Log {
    org: OrgId,
    topic: TopicName,
    first: Seq,
    /// Countable events before `first`.
    base: u64,
    head: Seq,
    count: u64,
}

/// See [`Row::Event`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    org: OrgId,
    topic: TopicName,
    seq: Seq,
    author: UserId,
    client_id: ClientId,
    at: UnixMs,
    name: String,
    count: u64,
    revision: u32,
    data: String,
}

/// See [`Row::Mark`]: positions with the countable events up to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    org: OrgId,
    topic: TopicName,
    user: UserId,
    delivered: (Seq, u64),
    read: (Seq, u64),
}

/// See [`Row::Record`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    org: OrgId,
    kind: String,
    partition: String,
    key: String,
    expires: Option<UnixMs>,
    value: String,
}

/// See [`Row::Version`]: without a value it is a deletion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    org: OrgId,
    kind: String,
    partition: String,
    key: String,
    number: u64,
    at: UnixMs,
    by: Option<UserId>,
    expires: Option<UnixMs>,
    value: Option<String>,
}

/// See [`Row::Timer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    key: String,
    due: UnixMs,
    data: String,
}

/// See [`Row::Fix`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    org: OrgId,
    agent: UserId,
    source: u32,
    /// Left out where it is the standard one, as in earlier exports.
    #[serde(default, skip_serializing_if = "is_standard")]
    class: FixClass,
    #[serde(flatten)]
    taken: JsonFix,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_standard(class: &FixClass) -> bool {
    *class == FixClass::Standard
}

/// How many rows there are of each kind, and a sum over what they hold, whatever their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    logs: u64,
    events: u64,
    marks: u64,
    records: u64,
    /// Earlier exports have none.
    #[serde(default)]
    versions: u64,
    timers: u64,
    fixes: u64,
    sum: u64,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Footer {
    /// Of all lines between the first and this one.
    pub total: Total,
}

impl Total {
    /// Counts a row with its line.
    pub fn add(&mut self, row: &Row, line: &str) {
        let count = match row {
            Row::Log(_) => &mut self.logs,
            Row::Event(_) => &mut self.events,
            Row::Mark(_) => &mut self.marks,
            Row::Record(_) => &mut self.records,
            Row::Version(_) => &mut self.versions,
            Row::Timer(_) => &mut self.timers,
            Row::Fix(_) => &mut self.fixes,
        };
        *count += 1;
        let digest = Sha256::digest(line);
        let part = digest.iter().take(8).fold(0, |part: u64, byte| part << 8 | u64::from(*byte));
        self.sum = self.sum.wrapping_add(part);
    }

    /// All rows together.
    pub const fn rows(&self) -> u64 {
        self.logs + self.events + self.marks + self.records + self.versions + self.timers + self.fixes
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { logs, events, marks, records, versions, timers, fixes, sum } = self;
        write!(
            f,
            "{logs} logs with {events} events and {marks} marks, {records} records, {versions} versions of \
             others, {timers} timers, {fixes} fixes (sum {sum:016x})"
        )
    }
}
