//! Who a caller is, and what they may do.

pub mod jwt;
pub mod policy;

use fanfare_proto::{DepartmentId, OrgId, TeamId, UnixMs, UserId};

/// What a verified token says.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The organisation. Everything that the caller touches belongs to it.
    pub org: OrgId,
    /// The caller.
    pub user: UserId,
    /// The roles that this server knows; others are left out.
    pub roles: Vec<policy::Role>,
    /// Departments: where an agent works, what a supervisor sees.
    pub departments: Vec<DepartmentId>,
    /// Teams.
    pub teams: Vec<TeamId>,
    /// When the token ends.
    pub expires_at: UnixMs,
}
