//! Names inside the server: a topic with its organisation, and who is to receive an event.

use std::{fmt, sync::Arc};

use fanfare_proto::{OrgId, TopicKind, TopicName, UserId};

/// A topic: the unit of order, storage and recovery. Its organisation always comes from a verified token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    /// The tenant that it belongs to.
    pub org: OrgId,
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
