//! A set of keys as issuers publish it (RFC 7517): which of them can verify tokens here, and for what algorithm.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::{
    key::{Algorithm, Key},
    token::MAX_KID,
};

/// Most keys of a set, usable or not. Further ones are left out.
pub(super) const MAX_KEYS: usize = 100;

/// Keys by what tokens name: an id and an algorithm.
#[derive(Debug, Default)]
pub(super) struct Set {
    keys: HashMap<(Option<String>, Algorithm), Arc<Key>>,
    left_out: Vec<LeftOut>,
}

/// A key that is not used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Its place in the set, from 0.
    pub(super) index: usize,
    /// Its id, or nothing.
    pub(super) kid: String,
    pub(super) why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, kid, why } = self;
        if kid.is_empty() { write!(f, "key {index}: {why}") } else { write!(f, "key {index} ({kid}): {why}") }
    }
}

/// Why a set is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadSet {
    #[error("it is no set of keys: {0}")]
    Json(String),
    #[error("it has no key that can be used ({0})")]
    Empty(String),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// Characters of an issuer's that are shown in the log.
const SHOWN: usize = 64;
/// Bytes of a coordinate of P-256.
const P256_BYTES: usize = 32;
/// Members of private keys (RFC 7518). A shared secret's is not among them: no key of its kind is taken at all.
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

impl Set {
    /// Reads a set. Keys that are not for us are left out, as issuers publish others, too.
    pub(super) fn read(text: &[u8]) -> Result<Self, BadSet> {
        let document: Document = serde_json::from_slice(text).map_err(|e| BadSet::Json(e.to_string()))?;
        let mut set = Self::default();
        for (index, value) in document.keys.iter().enumerate() {
            if index == MAX_KEYS {
                let why = format!("it is the first of {} above {MAX_KEYS}", document.keys.len() - MAX_KEYS);
                set.left_out.push(LeftOut { index, kid: kid_of(value), why });
                break;
            }
            let added = usable(value).and_then(|(kid, key)| set.add(kid, key));
            set.left_out.extend(added.err().map(|why| LeftOut { index, kid: kid_of(value), why }));
        }
        if set.keys.is_empty() {
            let last = set.left_out.pop().map_or_else(|| "it is empty".to_owned(), |last| last.to_string());
            return Err(BadSet::Empty(last));
        }
        Ok(set)
    }

    fn add(&mut self, kid: Option<String>, key: Key) -> Result<(), String> {
        match self.keys.entry((kid, key.algorithm())) {
            Entry::Vacant(vacant) => {
                vacant.insert(Arc::new(key));
                Ok(())
            }
            // Of two by one name the first holds, so that it does not depend on anything.
            Entry::Occupied(_) => Err("an earlier key has the same `kid` and algorithm".to_owned()),
        }
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

    /// The keys that are not used.
    pub(super) fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }
}

/// The id of a key, as far as it is one, for the log.
fn kid_of(value: &Value) -> String {
    let kid = value.get("kid").and_then(Value::as_str).unwrap_or_default();
    shown(kid)
}

/// A member of a key; `null` is none.
fn member<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    jwk.get(name).filter(|value| !value.is_null())
}

/// A member that is a text.
fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    let text = |value: &'a Value| value.as_str().ok_or_else(|| format!("its `{name}` is no text"));
    member(jwk, name).map(text).transpose()
}

/// A number of a key, big-endian. Some pad what RFC 7515 leaves without padding.
fn number(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let text = text(jwk, name)?.ok_or_else(|| format!("its `{name}` is missing"))?;
    let padding = text.len() - text.trim_end_matches('=').len();
    let decoded = URL_SAFE_NO_PAD.decode(&text[..text.len() - padding]).ok().filter(|_| padding <= 2);
    decoded.ok_or_else(|| format!("its `{name}` is not in base64url"))
}

/// The same with as many bytes as the curve's numbers have: some leave out zeros at the start, some put one there.
fn coordinate(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let bytes = number(jwk, name)?;
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let zeros = P256_BYTES.checked_sub(digits.len()).ok_or_else(|| format!("its `{name}` is too long"))?;
    let mut whole = vec![0; zeros];
    whole.extend_from_slice(digits);
    Ok(whole)
}

/// The key, if it is one that verifies signatures by an algorithm that is accepted. Members that are not looked at, such
/// as certificates, mean nothing to us.
fn usable(value: &Value) -> Result<(Option<String>, Key), String> {
    let jwk = value.as_object().ok_or("not a key: no object")?;
    let kty = text(jwk, "kty")?.ok_or("not a key: its `kty` is missing")?;
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err("its `use` is not `sig`".to_owned());
    }
    match member(jwk, "key_ops") {
        None => {}
        // None named is none ruled out.
        Some(Value::Array(ops)) if ops.is_empty() || ops.iter().any(|op| op == "verify") => {}
        Some(_) => return Err("its `key_ops` are without `verify`".to_owned()),
    }
    let kid = text(jwk, "kid")?;
    if kid.is_some_and(|kid| kid.len() > MAX_KID) {
        return Err("its `kid` is too long".to_owned());
    }
    if PRIVATE.iter().any(|name| member(jwk, name).is_some()) {
        return Err("its private half is published with it, so anybody can sign".to_owned());
    }
    let key = match (kty, text(jwk, "crv")?) {
        ("RSA", _) => Key::rsa(&number(jwk, "n")?, &number(jwk, "e")?),
        ("EC", Some("P-256")) => Key::p256(&coordinate(jwk, "x")?, &coordinate(jwk, "y")?),
        ("OKP", Some("Ed25519")) => Key::ed25519(&number(jwk, "x")?),
        (_, None) => return Err(format!("a key of the kind {} is not accepted", shown(kty))),
        (_, Some(crv)) => {
            return Err(format!("a key of the kind {} {} is not accepted", shown(kty), shown(crv)));
        }
    };
    let key = key.map_err(|e| e.to_string())?;
    // A key that names its algorithm is for no other; one that does not is for the usual one of its kind.
    if text(jwk, "alg")?.is_some_and(|alg| Algorithm::named(alg) != Some(key.algorithm())) {
        return Err("its `alg` is not accepted".to_owned());
    }
    Ok((kid.map(str::to_owned), key))
}

/// What an issuer has written, for the log.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).filter(|c| !c.is_control()).collect()
}
