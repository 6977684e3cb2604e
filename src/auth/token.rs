//! A token as it comes: three parts, of which nothing is believed yet.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use fanfare_proto::command::MAX_TOKEN;
use serde_json::{Map, Value};

use super::{
    json,
    key::{Algorithm, Key},
};

/// Longest id of a key, in bytes.
pub(super) const MAX_KID: usize = 256;

/// Headers by which a token would bring its own key, ask for what is not understood here, or be a token in a token.
const REFUSED: [&str; 9] = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip", "cty"];

/// What `typ` may be: tokens for other purposes of the same issuer say so here (RFC 8725).
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// A token that was read, and not verified.
pub(super) struct Token<'a> {
    /// How it says that it is signed.
    pub(super) algorithm: Algorithm,
    /// Which key it says it is signed with.
    pub(super) kid: Option<String>,
    /// What it says.
    pub(super) claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Takes it apart, or says what is wrong with it.
    pub(super) fn read(text: &'a str) -> Result<Self, &'static str> {
        if text.len() > MAX_TOKEN {
            return Err("it is too long");
        }
        let (signed, signature) = text.rsplit_once('.').ok_or("it is no signed token")?;
        let (header, claims) = signed.split_once('.').ok_or("it is no signed token")?;
        // Further dots, as an encrypted token has them, are not of the alphabet.
        let part = |text| URL_SAFE_NO_PAD.decode(text).map_err(|_| "it is not in base64url");
        let (header, claims, signature) = (part(header)?, part(claims)?, part(signature)?);
        let header = json::object(&header).ok_or("its header is no JSON object, or names a key twice")?;
        // Some libraries write all that they know, `null` where it is not used.
        let there = |name: &&str| header.get(*name).is_some_and(|value| !value.is_null());
        if REFUSED.iter().any(there) || header.contains_key("crit") {
            return Err("its header has what is not accepted (jwk, jku, x5u, x5c, crit, b64, enc, zip, cty)");
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
        let algorithm = algorithm.ok_or("its `alg` is none that is accepted")?;
        let kid = match header.get("kid") {
            None | Some(Value::Null) => None,
            Some(Value::String(kid)) if kid.len() <= MAX_KID => Some(kid.clone()),
            Some(_) => return Err("its `kid` is no text, or too long"),
        };
        match header.get("typ") {
            None | Some(Value::Null) => {}
            Some(Value::String(typ)) if TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ)) => {}
            Some(_) => return Err("its `typ` is not that of an access token"),
        }
        let claims = json::object(&claims).ok_or("its claims are no JSON object, or one stands twice")?;
        Ok(Self { algorithm, kid, claims, signed, signature })
    }

    /// Whether `key` is of the token's algorithm, and has signed it.
    pub(super) fn is_signed_with(&self, key: &Key) -> bool {
        key.algorithm() == self.algorithm && key.verifies(self.signed.as_bytes(), &self.signature)
    }
}
