//! Roles as tokens name them: those of the table and those of the configuration, and what several allow together.

use std::collections::BTreeMap;

use super::{Action, ROWS, Reach, Role};

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
    /// Adds a role that may do all that `is` may, to connect, to hear notices, and `may`: that in its holder's departments
    /// and teams, as far as it [knows of any](Action::knows_units), or else in the organisation.
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
        // Whoever is in the building hears the alarm.
        let everyone = [Ok(Action::Connect), Ok(Action::HearNotices)].into_iter();
        let named = may.iter().map(|action| {
            Action::named(action).ok_or_else(|| BadRole::May { role: role.into(), action: action.clone() })
        });
        for action in everyone.chain(named) {
            let action = action?;
            let least = if action.knows_units() { Reach::Units } else { Reach::Organisation };
            let reach = &mut column[action as usize];
            *reach = (*reach).max(least);
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
        assert_eq!(screen.reach(Action::Connect), Reach::Organisation);
        assert_eq!(screen.reach(Action::HearNotices), Reach::Organisation);
        assert_eq!(screen.reach(Action::Converse), Reach::None);
        policy.add("lead", None, &["broadcast".into(), "revoke".into(), "disconnect".into()]).unwrap();
        let lead = rights(&policy, &["lead"]).unwrap();
        assert_eq!(
            [Action::Broadcast, Action::Revoke].map(|action| lead.reach(action)),
            [Reach::Organisation; 2]
        );
        assert_eq!(lead.reach(Action::Disconnect), Reach::Units);
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
