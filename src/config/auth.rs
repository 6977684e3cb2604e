//! Whose tokens are accepted, and how they are verified.

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

use fanfare_proto::{IssuerId, UserId};
use serde::Deserialize;

use super::{
    Config, Invalid, Secret,
    issuers::{Issuer, Jwks, MAX_NAME},
    read, within,
};
pub use crate::auth::{claims::Claims, key::Algorithm};
use crate::auth::{
    issuer::{self, Keys, Organisations},
    jwt::{Ambiguous, Verifier},
    key::{BadKey, Key},
    policy::{Action, Policy},
};

/// See [`Config::auth`]. What stands beside `issuers` describes one issuer with a fixed key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// `HS256`, `RS256`, `ES256` or `EdDSA`. Tokens signed in another way are refused.
    pub algorithm: Algorithm,
    /// The shared secret of HS256. Better in a file.
    pub secret: Option<Secret>,
    /// A file with the shared secret.
    pub secret_file: Option<PathBuf>,
    /// A file with the public key as PEM, for the other algorithms.
    pub public_key: Option<PathBuf>,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must be. Without it, tokens with an audience are refused.
    pub audience: Option<String>,
    /// Put before `sub`, which makes the user's id.
    pub user_prefix: String,
    /// Whether tokens of the issuer without a name may hold the role `platform`.
    pub platform: bool,
    /// How far ahead `nbf` and `iat` of any issuer's tokens may be.
    pub leeway_seconds: u64,
    /// Where in a token what stands.
    pub claims: Claims,
    /// Roles besides the server's own, by name.
    pub roles: BTreeMap<String, OwnRole>,
    /// How keys are fetched.
    pub jwks: Jwks,
    /// Further issuers, by names of the operator's.
    pub issuers: BTreeMap<String, Issuer>,
}

/// What a role of the configuration allows.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct OwnRole {
    /// All that this role of the server's may do.
    pub is: Option<String>,
    /// These actions besides, within the departments and teams of its holder where they know of any.
    pub may: Vec<String>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            secret: None,
            secret_file: None,
            public_key: None,
            issuer: None,
            audience: None,
            user_prefix: String::new(),
            platform: false,
            leeway_seconds: 60,
            claims: Claims::default(),
            roles: BTreeMap::new(),
            jwks: Jwks::default(),
            issuers: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The verifier of tokens. Reads the files that are named; fetches nothing yet.
    pub fn verifier(&self) -> Result<Verifier, Invalid> {
        let auth = &self.auth;
        within(auth.leeway_seconds, 1..=600, "auth.leeway_seconds")?;
        let times = auth.jwks.times()?;
        let policy = self.policy()?;
        let mut issuers = Vec::new();
        // Beside issuers with names there need not be one without.
        if auth.issuers.is_empty() || auth.has_key() {
            issuers.push(auth.unnamed(self)?);
        }
        for (name, issuer) in &auth.issuers {
            issuers.push(issuer.checked(name, auth.leeway_ms(), &times, &policy)?);
        }
        Verifier::new(issuers, policy).map_err(|ambiguous| {
            let last = match &ambiguous {
                Ambiguous::Issuer(_, last) => format!("auth.issuers.{last}.issuer"),
                Ambiguous::Users(_, last, _) => format!("auth.issuers.{last}.user_prefix"),
            };
            Invalid::Content { key: last.into(), problem: ambiguous.to_string() }
        })
    }

    /// The roles that tokens may hold.
    pub fn policy(&self) -> Result<Policy, Invalid> {
        let mut policy = Policy::default();
        for (name, role) in &self.auth.roles {
            policy.add(name, role.is.as_deref(), &role.may)?;
        }
        Ok(policy)
    }

    /// What roles of the configuration may do beyond the departments and teams of their holders, a line for each that may.
    pub fn wide_roles(&self) -> Vec<String> {
        let wide = |name: &&String| Action::named(name).is_some_and(|action| !action.knows_units());
        let told = |(role, own): (&String, &OwnRole)| {
            let actions: Vec<_> = own.may.iter().filter(wide).map(String::as_str).collect();
            let all = "in all of the organisation, whatever departments and teams its holder has";
            (!actions.is_empty()).then(|| format!("auth.roles.{role}: {}: {all}", actions.join(", ")))
        };
        self.auth.roles.iter().filter_map(told).collect()
    }

    /// The shared secret of HS256.
    pub fn secret(&self) -> Result<Vec<u8>, Invalid> {
        let auth = &self.auth;
        let secret = shared("auth", auth.secret.as_ref(), auth.secret_file.as_ref())?;
        secret.ok_or(Invalid::NoKey("auth.secret_file"))
    }
}

impl Auth {
    /// How far ahead a token's beginning may be, in milliseconds.
    pub const fn leeway_ms(&self) -> u64 {
        self.leeway_seconds.saturating_mul(1000)
    }

    fn has_key(&self) -> bool {
        self.secret.is_some() || self.secret_file.is_some() || self.public_key.is_some()
    }

    /// The issuer without a name, which may speak for everybody.
    fn unnamed(&self, config: &Config) -> Result<issuer::Issuer, Invalid> {
        let key = if self.algorithm == Algorithm::HS256 {
            let key = if self.secret.is_some() { "auth.secret" } else { "auth.secret_file" };
            Key::secret(&config.secret()?).map_err(|bad| useless(key, &bad))?
        } else {
            let path = self.public_key.as_ref().ok_or(Invalid::NoKey("auth.public_key"))?;
            let pem = read("auth.public_key", path)?;
            Key::pem(self.algorithm, &pem).map_err(|bad| useless("auth.public_key", &bad))?
        };
        prefix("auth", &self.user_prefix)?;
        Ok(issuer::Issuer {
            id: IssuerId::default(),
            iss: self.issuer.clone(),
            audiences: self.audience.iter().cloned().collect(),
            parties: Vec::new(),
            algorithms: vec![self.algorithm],
            organisations: Organisations::Any,
            user_prefix: self.user_prefix.clone(),
            leeway_ms: self.leeway_ms(),
            lifetime_ms: None,
            role_names: BTreeMap::new(),
            platform: self.platform,
            claims: self.claims.clone(),
            keys: Keys::Fixed(key),
        })
    }
}

/// A shared secret, in place or in a file.
pub(super) fn shared(
    at: &str,
    secret: Option<&Secret>,
    file: Option<&PathBuf>,
) -> Result<Option<Vec<u8>>, Invalid> {
    match (secret, file) {
        (Some(_), Some(_)) => Err(Invalid::Beside(format!("{at}.secret"), format!("{at}.secret_file"))),
        (Some(secret), None) => Ok(Some(secret.0.clone().into_bytes())),
        (None, Some(path)) => Ok(Some(read(format!("{at}.secret_file"), path)?.trim_ascii().to_vec())),
        (None, None) => Ok(None),
    }
}

/// What stands before users' ids is made of the same characters, and leaves room for them.
pub(super) fn prefix(at: &str, prefix: &str) -> Result<(), Invalid> {
    if prefix.is_empty() || prefix.len() <= MAX_NAME && UserId::new(prefix).is_ok() {
        return Ok(());
    }
    let problem = "it has at most 32 characters of A-Z a-z 0-9 . _ - @ + | = ~ :".to_owned();
    Err(Invalid::Content { key: format!("{at}.user_prefix").into(), problem })
}

pub(super) fn useless(key: impl Into<Cow<'static, str>>, bad: &BadKey) -> Invalid {
    Invalid::Content { key: key.into(), problem: bad.to_string() }
}
