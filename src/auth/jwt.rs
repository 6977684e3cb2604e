//! JSON web tokens: whose they are is decided by `iss`, by which key they are verified by their issuer's settings,
//! never by what the token brings along.

use std::{collections::HashMap, sync::Arc};

use fanfare_proto::{CloseCode, ErrorBody, ErrorCode, IssuerId, UnixMs, unescape_id};
use futures::future::join_all;
use serde_json::Value;

pub use super::mint::{Claims, mint};
use super::{
    Identity,
    issuer::{Issuer, Keys, No},
    jwks::{Missing, Source},
    key::Key,
    policy::Policy,
    token::Token,
};
use crate::{
    id::Tenant,
    limit::LogLimiter,
    metrics::{Label, Metrics},
    time::Elapsed,
};

/// Tokens may be this much past their end, in milliseconds: clocks differ.
pub const LEEWAY_MS: u64 = 5_000;

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It may be from before all tokens of its user were revoked.
    #[error("the token may be from before a revocation of its user: one that is issued later is good")]
    Doubtful {
        /// When to come back with a newer one.
        retry_after_ms: u64,
    },
    /// It will be good, once it has begun.
    #[error("the token is not valid yet")]
    NotYet {
        /// When.
        retry_after_ms: u64,
    },
    /// It is malformed, forged, or not meant for this server. Nothing more is said: an attacker would learn from it.
    #[error("the token is not valid")]
    Invalid,
    /// It holds none of the roles that the server knows.
    #[error("the token holds no known role")]
    NoRole,
    /// It was good, until somebody took it back.
    #[error("the token has been revoked")]
    Revoked,
    /// Whether it has been revoked cannot be said now.
    #[error("whether the token has been revoked cannot be said at the moment")]
    Unknown,
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
            Self::Doubtful { retry_after_ms } => {
                ErrorCode::TokenExpired.with(self.to_string()).retry_after(retry_after_ms)
            }
            Self::Invalid | Self::NoRole | Self::Revoked => ErrorCode::AuthFailed.with(self.to_string()),
            Self::NotYet { retry_after_ms } => {
                ErrorCode::TokenNotYetValid.with(self.to_string()).retry_after(retry_after_ms)
            }
            Self::Unknown => ErrorCode::Unavailable.with(self.to_string()).retry_after(1000),
            Self::Unavailable { retry_after_ms } => {
                ErrorCode::Unavailable.with(self.to_string()).retry_after(retry_after_ms)
            }
        }
    }

    /// How a connection ends that began with such a token.
    pub const fn close(self) -> CloseCode {
        match self {
            Self::Expired | Self::Doubtful { .. } => CloseCode::TokenExpired,
            Self::NotYet { .. } => CloseCode::TokenNotYetValid,
            Self::Invalid | Self::NoRole => CloseCode::AuthFailed,
            Self::Revoked => CloseCode::Revoked,
            Self::Unknown | Self::Unavailable { .. } => CloseCode::Unavailable,
        }
    }
}

/// Two issuers that cannot be told apart, or whose users cannot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguous {
    /// Both would take the same tokens.
    #[error("{0} and {1} have the same `issuer`")]
    Issuer(String, String),
    /// Somebody of one could be taken for somebody of the other.
    #[error("{0} and {1} may both speak for organisation {2}, so they need different `user_prefix`es")]
    Users(String, String, String),
}

/// Verifies tokens of every issuer.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Issuer>,
    policy: Policy,
    /// Which issuer is meant by `iss`.
    by_iss: HashMap<String, usize>,
    /// The one that takes what names no other.
    default: Option<usize>,
    log: LogLimiter<Option<IssuerId>>,
}

impl Verifier {
    /// A verifier that accepts tokens of these issuers, with these roles.
    pub fn new(issuers: Vec<Issuer>, policy: Policy) -> Result<Self, Ambiguous> {
        let mut by_iss = HashMap::new();
        let mut default = None;
        for (at, issuer) in issuers.iter().enumerate() {
            let earlier = match &issuer.iss {
                Some(iss) => by_iss.insert(iss.clone(), at),
                None => default.replace(at),
            };
            if let Some(earlier) = earlier {
                return Err(Ambiguous::Issuer(issuers[earlier].id.to_string(), issuer.id.to_string()));
            }
            for other in &issuers[..at] {
                if other.user_prefix == issuer.user_prefix
                    && let Some(org) = other.organisations.shared(&issuer.organisations)
                {
                    return Err(Ambiguous::Users(other.id.to_string(), issuer.id.to_string(), org));
                }
            }
        }
        Ok(Self { issuers, policy, by_iss, default, log: LogLimiter::default() })
    }

    /// Who the bearer of `token` is. May wait for keys, as long as fetching them may take. What is refused is logged: by whom
    /// it was issued and why, never what it says.
    pub async fn verify(&self, token: &str, now: UnixMs, elapsed: Elapsed) -> Result<Identity, Refused> {
        let (issuer, verified) = match self.read(token) {
            Ok((token, issuer)) => (Some(&issuer.id), self.check(&token, issuer, now).await),
            Err(no) => (None, Err(no)),
        };
        verified.map_err(|(refused, why)| {
            if let Some(more) = self.log.allow_for(why, issuer.cloned(), elapsed) {
                let issuer = issuer.map_or("none that is known", IssuerId::as_str);
                tracing::info!(issuer, reason = why, more, "a token is refused");
            }
            refused
        })
    }

    /// Takes a token apart, and says whose it claims to be.
    fn read<'a>(&self, token: &'a str) -> Result<(Token<'a>, &Issuer), No> {
        let invalid = |why| (Refused::Invalid, why);
        let token = Token::read(token).map_err(invalid)?;
        let iss = match token.claims.get("iss") {
            None | Some(Value::Null) => None,
            Some(Value::String(iss)) => Some(iss.as_str()),
            Some(_) => return Err(invalid("its `iss` is no text")),
        };
        let at = iss.and_then(|iss| self.by_iss.get(iss).copied()).or(self.default);
        let issuer = at.and_then(|at| self.issuers.get(at));
        let issuer = issuer.ok_or(invalid("its `iss` is not a configured one"))?;
        Ok((token, issuer))
    }

    async fn check(&self, token: &Token<'_>, issuer: &Issuer, now: UnixMs) -> Result<Identity, No> {
        let invalid = |why| (Refused::Invalid, why);
        if !issuer.algorithms.contains(&token.algorithm) {
            return Err(invalid("its `alg` is none of its issuer's"));
        }
        let signed = match &issuer.keys {
            Keys::Fixed(key) => token.is_signed_with(key),
            Keys::Fetched(sources) => token.is_signed_with(&*key(sources, token).await?),
        };
        if !signed {
            return Err(invalid("its signature is wrong"));
        }
        let (identity, begins_at) = issuer.identify(&token.claims, &self.policy, now)?;
        if identity.org == Tenant::servers() {
            return Err(invalid("its organisation is what servers keep for themselves"));
        }
        // A longer prefix is another issuer's: its users are not for this one to name.
        let prefixes = self.issuers.iter().map(|issuer| issuer.user_prefix.as_str());
        // As their issuer names them: an escaped id begins like no other.
        let user = unescape_id(identity.user.as_str());
        let owner = prefixes.filter(|prefix| user.starts_with(prefix)).max_by_key(|p| p.len());
        if owner != Some(issuer.user_prefix.as_str()) {
            return Err(invalid("its user's id begins like those of another issuer"));
        }
        issuer.begun(begins_at, now)?;
        Ok(identity)
    }

    /// Fetches keys, as long as this is polled.
    pub async fn keep(self: Arc<Self>, metrics: Arc<Metrics>) {
        let sources = self.issuers.iter().flat_map(|issuer| match &issuer.keys {
            Keys::Fixed(_) => [].as_slice(),
            Keys::Fetched(sources) => sources.as_slice(),
        });
        let counted = |ok| {
            let outcome = Label::of(if ok { "ok" } else { "failed" });
            metrics.key_fetches.get_or_create(&outcome).inc();
        };
        join_all(sources.map(|source| source.keep(counted))).await;
    }
}

/// The key that a token names. Only if every source is sure is there none.
async fn key(sources: &[Source], token: &Token<'_>) -> Result<Arc<Key>, No> {
    let (algorithm, kid) = (token.algorithm, token.kid.as_deref());
    if let Some(key) = sources.iter().find_map(|source| source.known(algorithm, kid)) {
        return Ok(key);
    }
    let mut later: Option<u64> = None;
    for answer in join_all(sources.iter().map(|source| source.find(algorithm, kid))).await {
        match answer {
            Ok(key) => return Ok(key),
            Err(Missing::Unknown) => {}
            Err(Missing::Later { ms }) => later = Some(later.map_or(ms, |least| least.min(ms))),
        }
    }
    match later {
        Some(retry_after_ms) => Err((Refused::Unavailable { retry_after_ms }, "its key cannot be had now")),
        None => Err((Refused::Invalid, "its issuer has no such key")),
    }
}
