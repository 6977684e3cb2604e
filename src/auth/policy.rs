//! Who may do what. One table, asked in one place before any domain code runs.

use fanfare_proto::Command;

use super::Identity;

/// The roles that the server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Works in the field: sends its position.
    Agent,
    /// Watches and directs agents.
    Supervisor,
    /// Runs an organisation.
    Admin,
    /// Is cared for.
    Patient,
    /// Cares for patients.
    Provider,
    /// Anyone else of the organisation.
    Member,
    /// A program of the organisation.
    Service,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Agent,
        Self::Supervisor,
        Self::Admin,
        Self::Patient,
        Self::Provider,
        Self::Member,
        Self::Service,
    ];

    /// The role's name in tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
            Self::Patient => "patient",
            Self::Provider => "provider",
            Self::Member => "member",
            Self::Service => "service",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// What is asked, as far as rights go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Be connected, and tend the connection.
    Connect,
    /// Take part in conversations. Membership is checked besides.
    Converse,
    /// Send one's own position.
    SendFixes,
    /// See the positions of others.
    WatchLocations,
    /// Read a track. One's own needs no right.
    ReadTracks,
    /// Tell everyone of the organisation.
    Broadcast,
}

impl Action {
    /// The action that a command is.
    #[allow(clippy::match_same_arms, reason = "a table, one row a right")]
    pub const fn of(command: &Command) -> Self {
        match command {
            Command::ConversationCreate(_)
            | Command::ConversationList(_)
            | Command::MessageSend(_)
            | Command::MessageHistory(_)
            | Command::MessageReceived(_)
            | Command::MessageRead(_) => Self::Converse,
            Command::LocationUpdate(_) => Self::SendFixes,
            Command::Subscribe(_) | Command::LocationLatest(_) => Self::WatchLocations,
            Command::LocationHistory(_) => Self::Connect,
            Command::SystemBroadcast(_) => Self::Broadcast,
            // Everything else tends the connection. A new command that needs a right gets a row above.
            _ => Self::Connect,
        }
    }

    #[allow(clippy::match_same_arms, reason = "a table, one row an action")]
    const fn roles(self) -> &'static [Role] {
        use Role::{Admin, Agent, Member, Patient, Provider, Service, Supervisor};
        match self {
            Self::Connect => &[Agent, Supervisor, Admin, Patient, Provider, Member, Service],
            Self::Converse => &[Agent, Supervisor, Admin, Patient, Provider, Member, Service],
            Self::SendFixes => &[Agent, Service],
            Self::WatchLocations => &[Supervisor, Admin, Service],
            Self::ReadTracks => &[Supervisor, Admin, Service],
            Self::Broadcast => &[Supervisor, Admin, Service],
        }
    }
}

/// Whether one of the caller's roles allows the action.
pub fn may(identity: &Identity, action: Action) -> bool {
    identity.roles.iter().any(|role| action.roles().contains(role))
}
