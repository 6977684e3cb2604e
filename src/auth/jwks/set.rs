//! A set of keys as issuers publish it (RFC 7517): which of them can verify tokens here, and for what algorithm.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::auth::{
    key::{Algorithm, Key},
    token::MAX_KID,
};

/// Most keys of a set, usable or not.
pub(super) const MAX_KEYS: usize = 100;

/// Keys by what tokens name: an id and an algorithm.
#[derive(Debug, Default)]
pub(super) struct Set {
    keys: HashMap<(Option<String>, Algorithm), Arc<Key>>,
}

/// Why a set is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadSet {
    #[error("it is no set of keys: {0}")]
    Json(String),
    #[error("it has more than {MAX_KEYS} keys")]
    Large,
    #[error("it has no key that can be used ({0})")]
    Empty(String),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// A key as it is published. Members that are not here, such as certificates, mean nothing to us.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private half.
    d: Option<serde_json::Value>,
}

impl Set {
    /// Reads a set. Keys that are not for us are passed over, as issuers publish others, too.
    pub(super) fn read(text: &[u8]) -> Result<Self, BadSet> {
        let document: Document = serde_json::from_slice(text).map_err(|e| BadSet::Json(e.to_string()))?;
        if document.keys.len() > MAX_KEYS {
            return Err(BadSet::Large);
        }
        let mut keys = HashMap::new();
        let mut passed = String::from("it is empty");
        for value in document.keys {
            match usable(value) {
                // Of two by one name the first holds, so that it does not depend on anything.
                Ok((kid, key)) => {
                    keys.entry((kid, key.algorithm())).or_insert_with(|| Arc::new(key));
                }
                Err(why) => {
                    tracing::debug!(why, "a published key is not used");
                    passed = why;
                }
            }
        }
        if keys.is_empty() { Err(BadSet::Empty(passed)) } else { Ok(Self { keys }) }
    }

    /// The key of this id. A token that names none means the only one of its algorithm.
    pub(super) fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Option<Arc<Key>> {
        if let Some(kid) = kid {
            return self.keys.get(&(Some(kid.to_owned()), algorithm)).cloned();
        }
        let mut fitting = self.keys.values().filter(|key| key.algorithm() == algorithm);
        let only = fitting.next()?;
        fitting.next().is_none().then(|| only.clone())
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// The key, if it is one that verifies signatures by an algorithm that is accepted.
fn usable(value: serde_json::Value) -> Result<(Option<String>, Key), String> {
    let jwk: Jwk = serde_json::from_value(value).map_err(|e| format!("not a key: {e}"))?;
    if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return Err("its `use` is not `sig`".to_owned());
    }
    if jwk.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify")) {
        return Err("its `key_ops` are without `verify`".to_owned());
    }
    if jwk.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
        return Err("its `kid` is too long".to_owned());
    }
    if jwk.d.is_some() {
        return Err("its private half is published with it, so anybody can sign".to_owned());
    }
    let part = |text: &Option<String>| {
        let text = text.as_ref().ok_or("a part of it is missing")?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| "a part of it is not in base64url")
    };
    let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Key::rsa(&part(&jwk.n)?, &part(&jwk.e)?),
        ("EC", Some("P-256")) => Key::p256(&part(&jwk.x)?, &part(&jwk.y)?),
        ("OKP", Some("Ed25519")) => Key::ed25519(&part(&jwk.x)?),
        _ => return Err(format!("a key of the kind {} is not accepted", jwk.kty)),
    };
    let key = key.map_err(|e| e.to_string())?;
    // A key that names its algorithm is for no other; one that does not is for the usual one of its kind.
    if jwk.alg.is_some_and(|alg| Algorithm::named(&alg) != Some(key.algorithm())) {
        return Err("its `alg` is not accepted".to_owned());
    }
    Ok((jwk.kid, key))
}
