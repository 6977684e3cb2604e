//! What part of an organisation somebody sees.

use fanfare_proto::{DepartmentId, ErrorBody, ErrorCode};

use crate::auth::{
    Identity,
    policy::{Action, Reach},
};

/// A set of agents, by where they work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everyone.
    Organisation,
    /// Who works in one of these departments. Sorted, without repeats.
    Departments(Vec<DepartmentId>),
}

impl Scope {
    /// What an identity may see: an admin or a service everyone, a supervisor with departments just those.
    pub fn granted(identity: &Identity) -> Self {
        let everyone = identity.rights.reach(Action::WatchLocations) > Reach::Units;
        if everyone || identity.departments.is_empty() {
            return Self::Organisation;
        }
        let mut departments = identity.departments.clone();
        departments.sort();
        departments.dedup();
        Self::Departments(departments)
    }

    /// This scope narrowed to one department, if it may be.
    pub fn narrowed(self, department: Option<DepartmentId>) -> Result<Self, ErrorBody> {
        match (self, department) {
            (scope, None) => Ok(scope),
            (Self::Organisation, Some(department)) => Ok(Self::Departments(vec![department])),
            (Self::Departments(granted), Some(department)) if granted.contains(&department) => {
                Ok(Self::Departments(vec![department]))
            }
            // One that is not granted looks like one that does not exist.
            _ => Err(ErrorCode::RoomNotFound.with("no such department")),
        }
    }

    /// Whether somebody of these departments is in it.
    pub fn covers(&self, departments: &[DepartmentId]) -> bool {
        match self {
            Self::Organisation => true,
            Self::Departments(mine) => {
                departments.iter().any(|department| mine.binary_search(department).is_ok())
            }
        }
    }
}
