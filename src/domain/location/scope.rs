//! What part of an organisation somebody sees, or may do something to.

use fanfare_proto::{DepartmentId, ErrorBody, ErrorCode};

use crate::auth::{
    Identity, Units,
    policy::{Action, Reach},
};

/// A set of people, by where they work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everyone.
    Organisation,
    /// Who works in one of these departments or teams.
    Units(Units),
}

impl Scope {
    /// Where an identity may do this, which must be an action that knows units: an admin or a service everywhere, a
    /// supervisor whose token names departments or teams in just those.
    pub fn granted(identity: &Identity, action: Action) -> Self {
        let everywhere = identity.rights.reach(action) > Reach::Units;
        if everywhere || identity.units.is_empty() {
            return Self::Organisation;
        }
        Self::Units(identity.units.clone())
    }

    /// This scope narrowed to one department, if it may be.
    pub fn narrowed(self, department: Option<DepartmentId>) -> Result<Self, ErrorBody> {
        let Some(department) = department else { return Ok(self) };
        match self {
            // One that is not granted looks like one that does not exist.
            Self::Units(granted) if !granted.departments().contains(&department) => {
                Err(ErrorCode::RoomNotFound.with("no such department"))
            }
            _ => Ok(Self::Units(Units::new(vec![department], Vec::new()))),
        }
    }

    /// Whether somebody of these units is in it.
    pub fn covers(&self, units: &Units) -> bool {
        match self {
            Self::Organisation => true,
            Self::Units(mine) => mine.meet(units),
        }
    }
}
