//! Who may do what. One table, asked in one place before any domain code runs: for commands by the session's dispatch, for
//! the HTTP API by its door.

use std::collections::BTreeMap;

use fanfare_proto::{Command, OrgId, command::Channel};

use super::Identity;

/// How far a right goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Nowhere: there is no right.
    None,
    /// The caller's departments and teams; all of their organisation where the token names none, or where what is done
    /// has no department.
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

    fn column(self) -> Column {
        Action::ALL.map(|action| self.reach(action))
    }
}

impl Action {
    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
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

/// An organisation that a caller acts in. Made from a verified token alone: the caller's own, or another one where the table
/// lets the caller reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant(OrgId);

impl Tenant {
    /// The one named, or the caller's own; `None` where the caller may not do this there. Whether there is an organisation
    /// of that name makes no difference.
    pub fn of(identity: &Identity, action: Action, named: Option<&OrgId>) -> Option<Self> {
        let needed = match named {
            Some(other) if *other != identity.org => Reach::Everywhere,
            _ => Reach::Units,
        };
        let org = named.unwrap_or(&identity.org);
        (identity.rights.reach(action) >= needed).then(|| Self(org.clone()))
    }

    /// Its name.
    pub const fn org(&self) -> &OrgId {
        &self.0
    }
}

/// How far an identity may go in each action: the furthest of its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    roles: Vec<String>,
    column: Column,
}

/// A reach for each action, in their order.
type Column = [Reach; ROWS];

impl Rights {
    /// How far it may go in this.
    pub const fn reach(&self, action: Action) -> Reach {
        self.column[action as usize]
    }

    /// The roles that it comes from, as tokens and clients name them.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }
}

/// The roles that tokens may hold: those of the table, and those of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    own: BTreeMap<String, Column>,
}

/// A role of the configuration that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRole {
    /// Roles of the table stay what they are.
    #[error("{0} is a role of the server's own")]
    Known(String),
    /// It builds on a role that is not there, or on `platform`.
    #[error("{role}: `is` must be agent, supervisor, admin, patient, provider, member or service, not {is}")]
    Is {
        /// The role.
        role: String,
        /// What it builds on.
        is: String,
    },
    /// It names an action that does not exist.
    #[error("{role}: `may` holds {action}, which is none of {}", Action::ALL.map(Action::as_str).join(", "))]
    May {
        /// The role.
        role: String,
        /// What it would allow.
        action: String,
    },
}

impl Policy {
    /// Adds a role that may do all that `is` may, to connect, and `may`: that in its holder's departments and teams.
    pub fn add(&mut self, role: &str, is: Option<&str>, may: &[String]) -> Result<(), BadRole> {
        if Role::named(role).is_some() {
            return Err(BadRole::Known(role.into()));
        }
        let mut column = match is {
            None => [Reach::None; ROWS],
            Some(is) => match Role::named(is) {
                Some(known) if known != Role::Platform => known.column(),
                _ => return Err(BadRole::Is { role: role.into(), is: is.into() }),
            },
        };
        let connect = [Ok(Action::Connect)].into_iter();
        let named = may.iter().map(|action| {
            Action::named(action).ok_or_else(|| BadRole::May { role: role.into(), action: action.clone() })
        });
        for action in connect.chain(named) {
            let reach = &mut column[action? as usize];
            *reach = (*reach).max(Reach::Units);
        }
        self.own.insert(role.into(), column);
        Ok(())
    }

    /// Whether a token may hold a role of this name.
    pub fn knows(&self, role: &str) -> bool {
        Role::named(role).is_some() || self.own.contains_key(role)
    }

    /// What these roles allow together; `None` if none of them is known. Where `platform` is false, the role of that
    /// name is not: its issuer speaks for some organisations only.
    pub fn rights<'a>(&self, roles: impl Iterator<Item = &'a str>, platform: bool) -> Option<Rights> {
        let mut rights = Rights { roles: Vec::new(), column: [Reach::None; ROWS] };
        for name in roles {
            let column = match Role::named(name) {
                Some(Role::Platform) if !platform => continue,
                Some(role) => role.column(),
                None => match self.own.get(name) {
                    Some(column) => *column,
                    None => continue,
                },
            };
            if rights.roles.iter().any(|known| known == name) {
                continue;
            }
            rights.roles.push(name.into());
            for (reach, other) in rights.column.iter_mut().zip(column) {
                *reach = (*reach).max(other);
            }
        }
        (!rights.roles.is_empty()).then_some(rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(policy: &Policy, roles: &[&str]) -> Option<Rights> {
        policy.rights(roles.iter().copied(), true)
    }

    #[test]
    fn columns_and_names_belong_together() {
        for (at, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!((role as usize, Role::named(role.as_str())), (at, Some(role)));
        }
        for (at, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!((action as usize, Action::named(action.as_str())), (at, Some(action)));
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

    #[test]
    fn several_roles_go_as_far_as_the_furthest() {
        let policy = Policy::default();
        let both = rights(&policy, &["supervisor", "agent", "king", "agent"]).unwrap();
        assert_eq!(both.roles(), ["supervisor", "agent"]);
        assert_eq!(both.reach(Action::SendFixes), Reach::Organisation);
        assert_eq!(both.reach(Action::WatchLocations), Reach::Units);
        let more = rights(&policy, &["supervisor", "admin"]).unwrap();
        assert_eq!(more.reach(Action::WatchLocations), Reach::Organisation);
        assert_eq!(rights(&policy, &["king"]), None);
    }

    #[test]
    fn roles_of_the_configuration_build_on_known_ones() {
        let mut policy = Policy::default();
        policy.add("dispatcher", Some("member"), &["watch_locations".into()]).unwrap();
        policy.add("screen", None, &["watch_locations".into()]).unwrap();
        let dispatcher = rights(&policy, &["dispatcher"]).unwrap();
        assert_eq!(dispatcher.reach(Action::Converse), Reach::Organisation);
        assert_eq!(dispatcher.reach(Action::WatchLocations), Reach::Units);
        assert_eq!(dispatcher.reach(Action::Broadcast), Reach::None);
        let screen = rights(&policy, &["screen"]).unwrap();
        assert_eq!(screen.reach(Action::Connect), Reach::Units);
        assert_eq!(screen.reach(Action::Converse), Reach::None);
        for (role, is, may) in [
            ("admin", None, "broadcast"),
            ("boss", Some("platform"), "broadcast"),
            ("boss", Some("king"), "broadcast"),
            ("boss", Some("member"), "everything"),
        ] {
            assert!(policy.add(role, is, &[may.into()]).is_err(), "{role} {is:?} {may}");
        }
    }

    #[test]
    fn who_speaks_for_some_organisations_makes_no_platform() {
        let policy = Policy::default();
        assert_eq!(policy.rights(["platform"].into_iter(), false), None);
        let admin = policy.rights(["platform", "admin"].into_iter(), false).unwrap();
        assert_eq!(admin.roles(), ["admin"]);
        assert!(Action::ALL.into_iter().all(|action| admin.reach(action) < Reach::Everywhere));
    }
}
