//! Names inside the server: whose something is, a topic of theirs, and who is to receive an event.

use std::{fmt, sync::Arc};

use fanfare_proto::{OrgId, TopicKind, TopicName, UserId};

/// An organisation that somebody acts in, or that something stored belongs to. Topics, records, fixes and live tables are
/// reached by one of these alone, and no text that a client sends becomes one: whoever holds it was let in there.
///
/// `tests/imports` holds who may make one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(OrgId);

impl Tenant {
    /// The one that a verified token speaks for. Only for `auth`.
    pub const fn verified(org: OrgId) -> Self {
        Self(org)
    }

    /// The one that stands beside what is stored. Only for who has just read it: the store, and what servers leave there
    /// for each other.
    pub const fn stored(org: OrgId) -> Self {
        Self(org)
    }

    /// No organisation: what servers keep for themselves. No token speaks for it.
    pub fn servers() -> Self {
        Self(OrgId::servers())
    }

    /// Its name.
    pub const fn org(&self) -> &OrgId {
        &self.0
    }

    /// Its name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic: the unit of order, storage and recovery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    /// Whose it is.
    pub org: Tenant,
    /// Its kind and key within the tenant.
    pub name: TopicName,
}

impl Topic {
    /// The topic's kind.
    pub const fn kind(&self) -> TopicKind {
        self.name.kind
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.org, self.name)
    }
}

/// Who of the topic's organisation receives an event.
#[derive(Debug, Clone)]
pub enum Audience {
    /// Everyone connected.
    Organisation,
    /// Every device of these users.
    Members(Arc<[UserId]>),
}
