//! Who may do what. One table, asked in one place before any domain code runs: for commands by the session's dispatch, for
//! the HTTP API by its door.

mod roles;

pub use roles::{BadRole, Policy, Rights};

use fanfare_proto::{Command, OrgId, command::Channel};

use super::Identity;
use crate::id::Tenant;

/// How far a right goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Nowhere: there is no right.
    None,
    /// The caller's departments and teams; all of their organisation where the token names neither. Only of actions that
    /// [know of any](Action::knows_units).
    Units,
    /// All of the caller's organisation.
    Organisation,
    /// Any organisation, where a route lets one be named.
    Everywhere,
}

const NO: Reach = Reach::None;
const DEP: Reach = Reach::Units;
const YES: Reach = Reach::Organisation;
const ANY: Reach = Reach::Everywhere;

macro_rules! table {
    (
        $($role:ident)*;
        $($(#[$doc:meta])* $action:ident $name:literal $row:tt)*
    ) => {
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
            /// Runs the server, for all organisations. Sees nothing of what is in them.
            Platform,
        }

        impl Role {
            /// Every role, in the order of the table's columns.
            pub const ALL: [Self; COLUMNS] = [$(Self::$role),*];
        }

        const COLUMNS: usize = [$(stringify!($role)),*].len();
        const ROWS: usize = [$($name),*].len();

        /// What is asked, as far as rights go.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $action,)*
        }

        impl Action {
            /// Every action, in the order of the table's rows.
            pub const ALL: [Self; ROWS] = [$(Self::$action),*];

            /// The action's name in the configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$action => $name,)* }
            }

            const fn row(self) -> [Reach; COLUMNS] {
                match self { $(Self::$action => $row,)* }
            }
        }
    };
}

table! {
                                              Agent Supervisor Admin Patient Provider Member Service Platform;
    /// Be connected, and tend the connection. Read one's own track.
    Connect         "connect"               [ YES,     YES,     YES,   YES,     YES,    YES,   YES,    YES ]
    /// Take part in conversations. Membership is checked besides.
    Converse        "converse"              [ YES,     YES,     YES,   YES,     YES,    YES,   YES,    NO  ]
    /// Be told what everyone of the organisation is told.
    HearNotices     "hear_notices"          [ YES,     YES,     YES,   YES,     YES,    YES,   YES,    NO  ]
    /// Send one's own position.
    SendFixes       "send_fixes"            [ YES,     NO,      NO,    NO,      NO,     NO,    YES,    NO  ]
    /// See the positions of others.
    WatchLocations  "watch_locations"       [ NO,      DEP,     YES,   NO,      NO,     NO,    YES,    NO  ]
    /// Read the tracks of others.
    ReadTracks      "read_tracks"           [ NO,      DEP,     YES,   NO,      NO,     NO,    YES,    NO  ]
    /// Tell everyone of the organisation.
    Broadcast       "broadcast"             [ NO,      YES,     YES,   NO,      NO,     NO,    YES,    NO  ]
    /// See whether the people whom one names are there.
    WatchPeople     "watch_people"          [ YES,     YES,     YES,   YES,     YES,    YES,   YES,    NO  ]
    /// See who of the organisation is there.
    WatchEveryone   "watch_everyone"        [ NO,      YES,     YES,   NO,      YES,    NO,    YES,    NO  ]
    /// See who is connected.
    SeeConnections  "see_connections"       [ NO,      NO,      YES,   NO,      NO,     NO,    NO,     ANY ]
    /// Close a connection.
    Disconnect      "disconnect"            [ NO,      NO,      YES,   NO,      NO,     NO,    NO,     ANY ]
    /// Revoke tokens, see what is revoked, and lift it.
    Revoke          "revoke"                [ NO,      NO,      YES,   NO,      NO,     NO,    NO,     ANY ]
}

impl Role {
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
            Self::Platform => "platform",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// How far the role lets somebody do this.
    pub const fn reach(self, action: Action) -> Reach {
        action.row()[self as usize]
    }

    fn column(self) -> [Reach; ROWS] {
        Action::ALL.map(|action| self.reach(action))
    }
}

impl Action {
    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }

    /// Whether it is about somebody whose departments and teams are known where it is done, and so can end at those of the
    /// caller. Everything else goes as far as the organisation.
    pub const fn knows_units(self) -> bool {
        matches!(self, Self::WatchLocations | Self::ReadTracks | Self::SeeConnections | Self::Disconnect)
    }

    /// The action that a command is. A new command does not compile before it has its place here.
    pub const fn of(command: &Command) -> Self {
        match command {
            Command::Authenticate(_)
            | Command::Ping(_)
            | Command::Pong(_)
            | Command::TokenRefresh(_)
            // Each channel needs its own right besides: see `following`.
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::PresenceSet(_)
            // One's own track. Those of others need `ReadTracks`, which location::history asks for.
            | Command::LocationHistory(_) => Self::Connect,
            Command::ConversationCreate(_)
            | Command::ConversationList(_)
            | Command::MessageSend(_)
            | Command::MessageHistory(_)
            | Command::MessageReceived(_)
            | Command::MessageRead(_) => Self::Converse,
            Command::LocationUpdate(_) => Self::SendFixes,
            Command::LocationLatest(_) => Self::WatchLocations,
            Command::LocationWindow(_) => Self::ReadTracks,
            Command::SystemBroadcast(_) => Self::Broadcast,
            Command::PresenceGet(get) => Self::watching(get.users.is_some()),
        }
    }

    /// The action that following a channel is. `named`: of some people only, whom one names.
    pub const fn following(channel: Channel, named: bool) -> Self {
        match channel {
            Channel::Locations => Self::WatchLocations,
            Channel::Presence => Self::watching(named),
        }
    }

    const fn watching(named: bool) -> Self {
        if named { Self::WatchPeople } else { Self::WatchEveryone }
    }
}

/// Whether the caller may do what is asked for.
pub fn allows(identity: &Identity, command: &Command) -> bool {
    let (channels, named) = match command {
        Command::Subscribe(subscribe) => (subscribe.channels.as_slice(), subscribe.users.is_some()),
        _ => (&[][..], false),
    };
    may(identity, Action::of(command))
        && channels.iter().all(|channel| may(identity, Action::following(*channel, named)))
}

/// Whether one of the caller's roles allows the action, however far.
pub fn may(identity: &Identity, action: Action) -> bool {
    identity.rights.reach(action) > Reach::None
}

/// The organisation that a caller acts in: the one named, or the caller's own; `None` where the caller may not do this there.
/// Whether there is an organisation of that name makes no difference.
pub fn tenant(identity: &Identity, action: Action, named: Option<&OrgId>) -> Option<Tenant> {
    let other = named.filter(|named| *named != identity.org.org());
    let needed = if other.is_some() { Reach::Everywhere } else { Reach::Units };
    let tenant = || other.cloned().map_or_else(|| identity.org.clone(), Tenant::verified);
    (identity.rights.reach(action) >= needed).then(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_names_belong_together() {
        for (at, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!((role as usize, Role::named(role.as_str())), (at, Some(role)));
        }
        for (at, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!((action as usize, Action::named(action.as_str())), (at, Some(action)));
        }
    }

    /// What does not ask for units must not be granted as if it did.
    #[test]
    fn only_what_knows_units_ends_at_them() {
        for action in Action::ALL {
            let ends = action.row().contains(&Reach::Units);
            assert!(!ends || action.knows_units(), "{}", action.as_str());
        }
    }

    /// The table as documents show it.
    fn markdown() -> String {
        let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        let mut head = vec!["may"];
        head.extend(Role::ALL.map(Role::as_str));
        let mut text = row(head) + &format!("|{}\n", "---|".repeat(COLUMNS + 1));
        for action in Action::ALL {
            let name = format!("`{}`", action.as_str());
            let cells = action.row().map(|reach| match reach {
                Reach::None => "",
                Reach::Units => "units",
                Reach::Organisation => "yes",
                Reach::Everywhere => "any",
            });
            text += &row([name.as_str()].into_iter().chain(cells).collect());
        }
        text
    }

    #[test]
    fn the_documents_show_this_table() {
        let text = include_str!("../../docs/configuration.md");
        assert!(text.contains(&markdown()), "docs/configuration.md lacks\n{}", markdown());
    }
}
