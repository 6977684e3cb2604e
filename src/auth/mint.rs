//! Tokens made here: for development and tests.

use std::fmt::Display;

use fanfare_proto::{DepartmentId, OrgId, TeamId, TokenId, UserId, unescape_id};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Serialize, Serializer};

/// The claims, as the tokens carry them that this server makes. Ids are written as the names that they are of, as issuers do:
/// the server escapes them when it reads the token.
#[derive(Debug, Clone, Serialize)]
pub struct Claims {
    /// The user.
    #[serde(serialize_with = "name")]
    pub sub: UserId,
    /// The organisation.
    #[serde(serialize_with = "name")]
    pub org: OrgId,
    /// Roles.
    pub roles: Vec<String>,
    /// A single role, where a token has no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Departments.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "names")]
    pub departments: Vec<DepartmentId>,
    /// Teams.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "names")]
    pub teams: Vec<TeamId>,
    /// End, Unix seconds.
    pub exp: u64,
    /// Start, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it was issued, Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// The token's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<TokenId>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom it is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
}

impl Claims {
    /// Those of `sub` in `org` until `exp`, Unix seconds. Without a role: the token is refused until it has one.
    pub const fn new(sub: UserId, org: OrgId, exp: u64) -> Self {
        Self {
            sub,
            org,
            roles: Vec::new(),
            role: None,
            departments: Vec::new(),
            teams: Vec::new(),
            exp,
            nbf: None,
            iat: None,
            jti: None,
            iss: None,
            aud: None,
        }
    }
}

fn name<S: Serializer>(id: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&unescape_id(&id.to_string()))
}

fn names<S: Serializer>(ids: &[impl Display], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(|id| unescape_id(&id.to_string()).into_owned()))
}

/// Signs claims with a shared secret.
pub fn mint(claims: &Claims, secret: &[u8]) -> Result<String, jsonwebtoken::errors::Error> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret)?)
}
