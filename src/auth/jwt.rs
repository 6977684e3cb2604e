//! JSON web tokens: verified with one algorithm that the configuration fixes, never one that the token names.

use fanfare_proto::{
    CloseCode, DepartmentId, ErrorBody, ErrorCode, IssuerId, OrgId, TeamId, TokenId, UnixMs, UserId,
    command::MAX_TOKEN,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::{Identity, policy::Policy};

/// Tokens may be this much past their end, or this much before their start, in milliseconds: clocks differ.
pub const LEEWAY_MS: u64 = 5_000;

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It is malformed, forged, or not meant for this server. Nothing more is said: an attacker would learn from it.
    #[error("the token is not valid")]
    Invalid,
    /// It holds none of the roles that the server knows.
    #[error("the token holds no known role")]
    NoRole,
    /// Whether it is valid cannot be said now: its issuer's keys are not to be had.
    #[error("the issuer's keys cannot be had at the moment")]
    Unavailable {
        /// When to try again.
        retry_after_ms: u64,
    },
}

impl Refused {
    /// What whoever showed the token is told.
    pub fn error(self) -> ErrorBody {
        match self {
            Self::Expired => ErrorCode::TokenExpired.with(self.to_string()),
            Self::Invalid | Self::NoRole => ErrorCode::AuthFailed.with(self.to_string()),
            Self::Unavailable { retry_after_ms } => {
                ErrorCode::Unavailable.with(self.to_string()).retry_after(retry_after_ms)
            }
        }
    }

    /// How a connection ends that began with such a token.
    pub const fn close(self) -> CloseCode {
        match self {
            Self::Expired => CloseCode::TokenExpired,
            Self::Invalid | Self::NoRole => CloseCode::AuthFailed,
            Self::Unavailable { .. } => CloseCode::Unavailable,
        }
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// The algorithm is not among those supported.
    #[error("auth.algorithm must be HS256, RS256, ES256 or EdDSA")]
    Algorithm,
    /// A shared secret that can be guessed.
    #[error("auth.secret must have at least 32 bytes")]
    Short,
    /// Not a PEM public key for the algorithm.
    #[error("auth.public_key is no PEM public key for {0:?}: {1}")]
    Pem(Algorithm, jsonwebtoken::errors::Error),
}

/// Where the verification key comes from.
#[derive(Debug, Clone)]
pub enum Key {
    /// HS256.
    Secret(Vec<u8>),
    /// RS256, ES256 or EdDSA: a public key as PEM.
    Public(Algorithm, Vec<u8>),
}

/// Verifies tokens.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    issuer: IssuerId,
    policy: Policy,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("algorithms", &self.validation.algorithms).finish_non_exhaustive()
    }
}

/// The claims, as tokens carry them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: UserId,
    /// The organisation.
    pub org: OrgId,
    /// Roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// A single role, where a token has no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Departments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub departments: Vec<DepartmentId>,
    /// Teams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<TeamId>,
    /// End, Unix seconds.
    #[serde(deserialize_with = "seconds")]
    pub exp: u64,
    /// Start, Unix seconds.
    #[serde(default, deserialize_with = "some_seconds", skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it was issued, Unix seconds.
    #[serde(default, deserialize_with = "some_seconds", skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// The token's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<TokenId>,
    /// Who issued it. Checked before claims are read.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whom it is meant for. Checked before claims are read; may be a list there.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
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

/// A NumericDate may have a fraction.
fn seconds<'de, D: serde::Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let seconds = f64::deserialize(d)?;
    if seconds.is_finite() && seconds >= 0.0 {
        return Ok(seconds as u64);
    }
    Err(serde::de::Error::custom("no time"))
}

fn some_seconds<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    seconds(d).map(Some)
}

impl Verifier {
    /// Checks the key. With `issuer` or `audience` given, tokens must carry just that.
    pub fn new(key: &Key, issuer: Option<&str>, audience: Option<&str>) -> Result<Self, BadKey> {
        let (algorithm, key) = match key {
            Key::Secret(secret) if secret.len() < 32 => return Err(BadKey::Short),
            Key::Secret(secret) => (Algorithm::HS256, DecodingKey::from_secret(secret)),
            Key::Public(algorithm, pem) => {
                let parsed = match algorithm {
                    Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
                    Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
                    Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
                    _ => return Err(BadKey::Algorithm),
                };
                (*algorithm, parsed.map_err(|e| BadKey::Pem(*algorithm, e))?)
            }
        };
        let mut validation = Validation::new(algorithm);
        // Times are checked below, against the time handed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".into());
        }
        match audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".into());
            }
            // A token that is meant for somebody else is refused even where no audience is configured.
            None => validation.validate_aud = true,
        }
        Ok(Self { key, validation, issuer: IssuerId::default(), policy: Policy::default() })
    }

    /// One that knows the configuration's roles, too.
    pub fn knowing(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Who the bearer of `token` is.
    #[allow(clippy::unused_async, reason = "keys may have to be fetched")]
    pub async fn verify(&self, token: &str, now: UnixMs) -> Result<Identity, Refused> {
        if token.len() > MAX_TOKEN {
            return Err(Refused::Invalid);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|_| Refused::Invalid)?
            .claims;
        let expires_at = UnixMs(claims.exp.saturating_mul(1000));
        if now >= expires_at.plus(LEEWAY_MS) {
            return Err(Refused::Expired);
        }
        if claims.nbf.is_some_and(|nbf| now.plus(LEEWAY_MS) < UnixMs(nbf.saturating_mul(1000))) {
            return Err(Refused::Invalid);
        }
        let names = claims.roles.iter().chain(&claims.role);
        let rights = self.policy.rights(names.map(String::as_str), true).ok_or(Refused::NoRole)?;
        Ok(Identity {
            org: claims.org,
            user: claims.sub,
            issuer: self.issuer.clone(),
            token_id: claims.jti,
            issued_at: claims.iat.map(|iat| UnixMs(iat.saturating_mul(1000))),
            rights,
            departments: claims.departments,
            teams: claims.teams,
            expires_at,
        })
    }
}

/// Signs claims with a shared secret: development tokens and tests.
pub fn mint(claims: &Claims, secret: &[u8]) -> Result<String, jsonwebtoken::errors::Error> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
}
