//! The parts of an organisation that somebody belongs to.

use fanfare_proto::{DepartmentId, TeamId};

/// Departments and teams: where an agent works, and what a supervisor sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Units {
    departments: Vec<DepartmentId>,
    teams: Vec<TeamId>,
}

impl Units {
    /// These, in order and each once: tokens that name the same ones in any order name the same units.
    pub fn new(mut departments: Vec<DepartmentId>, mut teams: Vec<TeamId>) -> Self {
        departments.sort();
        departments.dedup();
        teams.sort();
        teams.dedup();
        Self { departments, teams }
    }

    /// The departments, in order.
    pub fn departments(&self) -> &[DepartmentId] {
        &self.departments
    }

    /// The teams, in order.
    pub fn teams(&self) -> &[TeamId] {
        &self.teams
    }

    /// Whether there is neither a department nor a team.
    pub const fn is_empty(&self) -> bool {
        self.departments.is_empty() && self.teams.is_empty()
    }

    /// Whether they have a department or a team in common. A team and a department of one name are not the same.
    pub fn meet(&self, other: &Self) -> bool {
        common(&self.departments, &other.departments) || common(&self.teams, &other.teams)
    }
}

/// Of two lists in order.
fn common<T: Ord>(one: &[T], other: &[T]) -> bool {
    one.iter().any(|unit| other.binary_search(unit).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(departments: &[&str], teams: &[&str]) -> Units {
        let departments = departments.iter().map(|name| DepartmentId::new(name).unwrap());
        Units::new(departments.collect(), teams.iter().map(|name| TeamId::new(name).unwrap()).collect())
    }

    #[test]
    fn one_in_common_is_enough() {
        let mine = units(&["north", "east"], &["blue"]);
        for (other, meets) in [
            (units(&["west", "north"], &[]), true),
            (units(&["west"], &["red", "blue"]), true),
            (units(&["south"], &["red"]), false),
            (units(&["blue"], &["north", "east"]), false),
            (units(&[], &[]), false),
        ] {
            assert_eq!((mine.meet(&other), other.meet(&mine)), (meets, meets), "{other:?}");
        }
        assert!(!units(&[], &[]).meet(&units(&[], &[])), "nowhere is no place to meet");
    }

    #[test]
    fn order_and_repeats_mean_nothing() {
        assert_eq!(units(&["b", "a", "b"], &["d", "c", "c"]), units(&["a", "b"], &["c", "d"]));
        assert_ne!(units(&["a"], &[]), units(&[], &["a"]));
    }
}
