//! Issuers of tokens with names of their own, and how their keys are fetched.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use fanfare_proto::{IssuerId, OrgId};
use serde::Deserialize;

use super::{
    Invalid, Secret,
    auth::{Algorithm, Claims, prefix, shared, useless},
    read, require, within,
};
use crate::auth::{
    ids::id_of,
    issuer::{self, Keys, Organisations},
    jwks::{self, BadUrl, Source},
    key::Key,
    policy::{Policy, Role},
};

/// Settings of an issuer that are lists.
pub(super) const LISTS: [&str; 5] =
    ["jwks", "algorithms", "audiences", "authorized_parties", "organisations"];

/// Longest name of an issuer, and longest prefix of its users.
pub(super) const MAX_NAME: usize = 32;

/// See [`Auth::jwks`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jwks {
    /// Time for a fetch.
    pub timeout_ms: u64,
    /// Time between two fetches, whoever asks for one.
    pub pause_ms: u64,
    /// Least time for which a set is kept, whatever its issuer says.
    pub fresh_least_s: u64,
    /// Most time for which a set is kept, whatever its issuer says.
    pub fresh_most_s: u64,
    /// For how long the last set holds while its issuer cannot be reached.
    pub kept_s: u64,
}

/// See [`Auth::issuers`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Issuer {
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// Where its keys are published.
    pub jwks: Vec<String>,
    /// Whom the certificates of these addresses are from, as PEM, if not from an authority that the system knows.
    pub jwks_authority: Option<PathBuf>,
    /// A file with its public key as PEM, where it publishes none.
    pub public_key: Option<PathBuf>,
    /// A shared secret, where it has no public key. Better in a file.
    pub secret: Option<Secret>,
    /// A file with the shared secret.
    pub secret_file: Option<PathBuf>,
    /// What its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// One of these must be `azp`.
    pub authorized_parties: Vec<String>,
    /// The organisations that it may speak for, as it names them; `*`: all.
    pub organisations: Vec<String>,
    /// The one organisation that it speaks for, which its tokens then do not name: as it would name it.
    pub organisation: Option<String>,
    /// Put before `sub`, which makes the user's id.
    pub user_prefix: String,
    /// How far ahead a token's end may be.
    pub lifetime_s: u64,
    /// Its names of roles, and ours of them. Empty: its names are ours.
    pub role_names: BTreeMap<String, String>,
    /// Where in its tokens what stands.
    pub claims: Claims,
}

impl Default for Jwks {
    fn default() -> Self {
        Self { timeout_ms: 5_000, pause_ms: 10_000, fresh_least_s: 60, fresh_most_s: 3_600, kept_s: 604_800 }
    }
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            issuer: None,
            jwks: Vec::new(),
            jwks_authority: None,
            public_key: None,
            secret: None,
            secret_file: None,
            algorithms: Vec::new(),
            audiences: Vec::new(),
            authorized_parties: Vec::new(),
            organisations: Vec::new(),
            organisation: None,
            user_prefix: String::new(),
            lifetime_s: 2_678_400,
            role_names: BTreeMap::new(),
            claims: Claims::default(),
        }
    }
}

impl Jwks {
    pub(super) fn times(&self) -> Result<jwks::Times, Invalid> {
        within(self.timeout_ms, 100..=60_000, "auth.jwks.timeout_ms")?;
        within(self.pause_ms, 10..=3_600_000, "auth.jwks.pause_ms")?;
        within(self.fresh_most_s, 1..=86_400, "auth.jwks.fresh_most_s")?;
        let least = (1..=self.fresh_most_s).contains(&self.fresh_least_s);
        require(least, "auth.jwks.fresh_least_s", "1 to auth.jwks.fresh_most_s")?;
        let kept = (self.fresh_most_s..=31_536_000).contains(&self.kept_s);
        require(kept, "auth.jwks.kept_s", "auth.jwks.fresh_most_s to 31536000")?;
        Ok(jwks::Times {
            timeout: Duration::from_millis(self.timeout_ms),
            pause: Duration::from_millis(self.pause_ms),
            least: Duration::from_secs(self.fresh_least_s),
            most: Duration::from_secs(self.fresh_most_s),
            kept: Duration::from_secs(self.kept_s),
        })
    }
}

impl Issuer {
    pub(super) fn checked(
        &self,
        name: &str,
        leeway_ms: u64,
        times: &jwks::Times,
        policy: &Policy,
    ) -> Result<issuer::Issuer, Invalid> {
        let at = format!("auth.issuers.{name}");
        let wrong = |key: &str, problem: &str| Invalid::Content {
            key: key.to_owned().into(),
            problem: problem.into(),
        };
        let of = |key: &str| format!("{at}.{key}");
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let named = !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(plain);
        let id = IssuerId::new(name).ok().filter(|id| named && *id != IssuerId::default());
        let id = id.ok_or(wrong(&at, "an issuer's name is 1 to 32 of a-z 0-9 _ -, and not `default`"))?;
        prefix(&at, &self.user_prefix)?;
        if !(60..=315_360_000).contains(&self.lifetime_s) {
            return Err(wrong(&of("lifetime_s"), "it must be 60 to 315360000"));
        }
        let (keys, algorithms) = self.keys(&at, &id, times)?;
        if matches!(keys, Keys::Fetched(_)) && self.issuer.is_none() {
            return Err(wrong(
                &of("issuer"),
                "it must be set beside jwks: others may sign with the same keys",
            ));
        }
        let organisations = self.may_assert(&of)?;
        if let Some(unknown) = self.role_names.values().find(|role| !policy.knows(role)) {
            return Err(wrong(&of("role_names"), &format!("there is no role `{unknown}`")));
        }
        // It goes beyond organisations, so nobody has it by accident.
        let platform = self.role_names.values().any(|role| role == Role::Platform.as_str());
        if platform && organisations != Organisations::Any {
            return Err(wrong(
                &of("role_names"),
                "`platform` is for issuers that may speak for all organisations",
            ));
        }
        Ok(issuer::Issuer {
            id,
            iss: self.issuer.clone(),
            audiences: self.audiences.clone(),
            parties: self.authorized_parties.clone(),
            algorithms,
            organisations,
            user_prefix: self.user_prefix.clone(),
            leeway_ms,
            lifetime_ms: Some(self.lifetime_s * 1000),
            role_names: self.role_names.clone(),
            platform,
            claims: self.claims.clone(),
            keys,
        })
    }

    fn may_assert(&self, of: &impl Fn(&str) -> String) -> Result<Organisations, Invalid> {
        let wrong =
            |key: &str, problem: &str| Invalid::Content { key: of(key).into(), problem: problem.into() };
        let id = |key: &str, name: &String| {
            let id = id_of(name).map_err(|e| wrong(key, &e.to_string()))?;
            OrgId::new(&id).map_err(|_| wrong(key, "it is too long for an id"))
        };
        let key = "organisations";
        match (&self.organisation, self.organisations.as_slice()) {
            (Some(org), []) => id("organisation", org).map(Organisations::Always),
            (Some(_), _) => Err(wrong(key, "`organisation` stands beside it: one of the two is meant")),
            (None, []) => {
                let problem = "it must be set: the organisations that this issuer may speak for, or [\"*\"]";
                Err(wrong(key, problem))
            }
            (None, [all]) if all == "*" => Ok(Organisations::Any),
            (None, list) => {
                let ids = list.iter().map(|name| id(key, name));
                ids.collect::<Result<BTreeSet<_>, _>>().map(Organisations::Only)
            }
        }
    }

    /// Its keys, and what they may sign with.
    fn keys(&self, at: &str, id: &IssuerId, times: &jwks::Times) -> Result<(Keys, Vec<Algorithm>), Invalid> {
        let of = |key: &str| format!("{at}.{key}");
        let wrong =
            |key: String, problem: &str| Invalid::Content { key: key.into(), problem: problem.into() };
        let secret = shared(at, self.secret.as_ref(), self.secret_file.as_ref())?;
        let asymmetric = !self.algorithms.contains(&Algorithm::HS256);
        match (self.jwks.as_slice(), &self.public_key, secret) {
            ([_, ..], None, None) => {
                if !asymmetric {
                    return Err(wrong(of("algorithms"), "published keys are for RS256, ES256 and EdDSA"));
                }
                let authority = self.jwks_authority.as_ref();
                let authority = authority.map(|path| read(of("jwks_authority"), path)).transpose()?;
                let source = |url: &String| {
                    let source = Source::new(id.clone(), url, times.clone(), authority.as_deref());
                    source.map_err(|bad| {
                        let key = if bad == BadUrl::Authority { "jwks_authority" } else { "jwks" };
                        wrong(of(key), &bad.to_string())
                    })
                };
                let sources = self.jwks.iter().map(source).collect::<Result<_, _>>()?;
                let all = vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
                Ok((
                    Keys::Fetched(sources),
                    if self.algorithms.is_empty() { all } else { self.algorithms.clone() },
                ))
            }
            ([], Some(path), None) => {
                let [algorithm] = self.algorithms[..] else {
                    return Err(wrong(of("algorithms"), "beside public_key it must be the key's one"));
                };
                let key = Key::pem(algorithm, &read(of("public_key"), path)?);
                Ok((Keys::Fixed(key.map_err(|bad| useless(of("public_key"), &bad))?), vec![algorithm]))
            }
            ([], None, Some(secret)) => {
                if !matches!(self.algorithms[..], [] | [Algorithm::HS256]) {
                    return Err(wrong(of("algorithms"), "a shared secret is for HS256"));
                }
                let key = Key::secret(&secret).map_err(|bad| useless(of("secret_file"), &bad))?;
                Ok((Keys::Fixed(key), vec![Algorithm::HS256]))
            }
            _ => Err(wrong(
                of("jwks"),
                "there must be just one of jwks, public_key, and secret_file (or secret)",
            )),
        }
    }
}
