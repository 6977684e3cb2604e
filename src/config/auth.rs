//! Whose tokens are accepted, and how they are verified.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use super::{Config, Invalid, choice::choice, read};
use crate::auth::{
    jwt::{Key, Verifier},
    policy::Policy,
};

/// See [`Config::auth`].
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// `HS256`, `RS256`, `ES256` or `EdDSA`. Tokens signed in another way are refused.
    pub algorithm: Algorithm,
    /// The shared secret of HS256. Better in a file.
    pub secret: Option<String>,
    /// A file with the shared secret.
    pub secret_file: Option<PathBuf>,
    /// A file with the public key as PEM, for the other algorithms.
    pub public_key: Option<PathBuf>,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must be. Without it, tokens with an audience are refused.
    pub audience: Option<String>,
    /// Roles besides the server's own, by name.
    pub roles: BTreeMap<String, OwnRole>,
}

/// What a role of the configuration allows.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct OwnRole {
    /// All that this role of the server's may do.
    pub is: Option<String>,
    /// These actions besides, within the departments and teams of its holder.
    pub may: Vec<String>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Signature algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(try_from = "String")]
pub enum Algorithm {
    /// A shared secret.
    #[default]
    HS256,
    /// RSA.
    RS256,
    /// P-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

choice!(Algorithm { "HS256" => HS256, "RS256" => RS256, "ES256" => ES256, "EdDSA" => EdDSA });

impl Config {
    /// The verifier of tokens.
    pub fn verifier(&self) -> Result<Verifier, Invalid> {
        let auth = &self.auth;
        let public = |algorithm| {
            let path = auth.public_key.as_ref().ok_or(Invalid::NoKey("auth.public_key"))?;
            Ok::<_, Invalid>(Key::Public(algorithm, read("auth.public_key", path)?))
        };
        let key = match auth.algorithm {
            Algorithm::HS256 => Key::Secret(self.secret()?),
            Algorithm::RS256 => public(jsonwebtoken::Algorithm::RS256)?,
            Algorithm::ES256 => public(jsonwebtoken::Algorithm::ES256)?,
            Algorithm::EdDSA => public(jsonwebtoken::Algorithm::EdDSA)?,
        };
        let verifier = Verifier::new(&key, auth.issuer.as_deref(), auth.audience.as_deref())?;
        Ok(verifier.knowing(self.policy()?))
    }

    /// The roles that tokens may hold.
    pub fn policy(&self) -> Result<Policy, Invalid> {
        let mut policy = Policy::default();
        for (name, role) in &self.auth.roles {
            policy.add(name, role.is.as_deref(), &role.may)?;
        }
        Ok(policy)
    }

    /// The shared secret of HS256.
    pub fn secret(&self) -> Result<Vec<u8>, Invalid> {
        match (&self.auth.secret, &self.auth.secret_file) {
            (Some(secret), _) => Ok(secret.clone().into_bytes()),
            (None, Some(path)) => Ok(read("auth.secret_file", path)?.trim_ascii().to_vec()),
            (None, None) => Err(Invalid::NoKey("auth.secret_file")),
        }
    }
}
