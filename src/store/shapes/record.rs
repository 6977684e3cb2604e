//! Records, and what becomes of their earlier versions.

use crate::id::Tenant;
use bytes::Bytes;
use fanfare_proto::{UnixMs, UserId};

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
    /// Partition `agents`. Key: a bucket of agents: in which departments and teams they work.
    Units,
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
    pub const ALL: [Self; 9] = [
        Self::Membership,
        Self::Conversation,
        Self::Document,
        Self::Incident,
        Self::Shift,
        Self::Presence,
        Self::Units,
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
            Self::Units => "units",
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
            Self::Membership
            | Self::Conversation
            | Self::Presence
            | Self::Units
            | Self::Present
            | Self::Node => None,
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
    pub org: Tenant,
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
