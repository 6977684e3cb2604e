//! Who a caller is, and what they may do.

pub mod claims;
pub mod ids;
pub mod issuer;
mod json;
pub mod jwks;
pub mod jwt;
pub mod key;
mod mint;
pub mod policy;
pub mod revocation;
mod token;
mod units;

pub use self::units::Units;

use fanfare_proto::{IssuerId, TokenId, UnixMs, UserId};

use crate::id::Tenant;

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The organisation. Everything that the caller touches belongs to it.
    pub org: Tenant,
    /// The caller.
    pub user: UserId,
    /// Who vouches for it. Token ids are unique within an issuer only.
    pub issuer: IssuerId,
    /// The token's own id, where it has one.
    pub token_id: Option<TokenId>,
    /// When the token was issued, where it says so.
    pub issued_at: Option<UnixMs>,
    /// What its roles allow, those that this server knows.
    pub rights: policy::Rights,
    /// Where it belongs: where an agent works, what a supervisor sees.
    pub units: Units,
    /// When the token ends.
    pub expires_at: UnixMs,
}

impl Identity {
    /// The roles as tokens and clients name them.
    pub fn role_names(&self) -> Vec<String> {
        self.rights.roles().to_vec()
    }

    /// What it may do at all, by the names of the configuration, in the table's order.
    pub fn actions(&self) -> Vec<&'static str> {
        use policy::{Action, Reach};
        let may = |action: &Action| self.rights.reach(*action) > Reach::None;
        Action::ALL.into_iter().filter(may).map(Action::as_str).collect()
    }

    /// Whether it is the same person as `other`, of the same organisation, and the same issuer says so.
    pub fn is_same_user(&self, other: &Self) -> bool {
        (&self.org, &self.user, &self.issuer) == (&other.org, &other.user, &other.issuer)
    }

    /// Whether it may do what `other` may, where `other` may.
    pub fn has_same_rights(&self, other: &Self) -> bool {
        (&self.rights, &self.units) == (&other.rights, &other.units)
    }
}
