//! What issuers call users, organisations and tokens, as ids here.

mod unseen;

use std::borrow::Cow;

use fanfare_proto::{TokenId, escape_id, id::hex};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::claims::text_of;

/// Not a name that ids are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name is not empty, does not begin or end with white space, and has no characters that cannot be seen"
)]
pub struct BadName;

/// The id of what an issuer calls so. Different names have different ids: what has other characters than ids is escaped,
/// and so is what looks escaped. A name that would be shown like another one is none.
pub fn id_of(name: &str) -> Result<Cow<'_, str>, BadName> {
    if name.is_empty() || name.trim() != name || unseen::any(name) {
        return Err(BadName);
    }
    Ok(escape_id(name))
}

/// A token's id (`jti`). RFC 7519 allows any text; one that is no id here is its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jti(pub TokenId);

impl Jti {
    /// By what stands in a token, or what somebody gives who wants to revoke it: the text, or a whole number. An id that was
    /// made here stays what it is.
    pub fn of(value: &Value) -> Option<Self> {
        let text = text_of(value)?;
        let id = TokenId::new(&text);
        // Digits have the characters of ids.
        id.or_else(|_| TokenId::new(&format!("sha256:{}", hex(&Sha256::digest(text.as_bytes())))))
            .ok()
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Jti {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::of(&Value::deserialize(d)?)
            .ok_or_else(|| D::Error::custom("a token's id is a text, or a whole number"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn no_two_names_share_an_id() {
        let names = [
            "ann",
            "Ann",
            "o'neil@example.org",
            "Zoë",
            "Zoe\u{308}",
            "Zoe",
            "马",
            "a b",
            "a  b",
            "a/b",
            "a=20b",
            "~~ann",
            "~~a=20b",
            "~~=7E=7Eann",
            "~~~ann",
            "~ann",
            "~~",
            "~~Zo=C3=AB",
            "=C3=AB",
            "ë",
            "%C3%AB",
            "a%20b",
            "a\u{a0}b",
            "1",
            "+1",
            "01",
            "auth0|1",
            "auth0:1",
            "سلام",
            "خانه\u{200c}ها",
            "خانهها",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "क्\u{200c}ष",
            "क्ष",
            "അവന്\u{200d}",
            "❤",
            "❤\u{fe0f}",
            "❤\u{fe0f}\u{200d}\u{1f525}",
            "\u{1f469}\u{1f3fd}\u{200d}\u{1f4bb}",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
            "1\u{fe0f}\u{20e3}",
        ];
        let mut ids = HashMap::new();
        for name in names {
            let id = id_of(name).unwrap().into_owned();
            assert!(fanfare_proto::UserId::new(&id).is_ok(), "{name}: {id}");
            assert_eq!(fanfare_proto::unescape_id(&id), name);
            assert_eq!(ids.insert(id.clone(), name), None, "{name}: {id}");
        }
    }

    #[test]
    fn a_name_that_looks_like_another_is_none() {
        for name in [
            "",
            " ann",
            "ann ",
            "\u{a0}ann",
            "ann\u{200b}",
            "a\u{0}",
            "a\nb",
            "\u{202e}nna",
            "ann\u{feff}",
            "a\u{ad}b",
            "ann\u{200c}",
            "\u{200d}ann",
            "a\u{200d}nn",
            "a\u{34f}nn",
            "ann\u{115f}",
            "ann\u{1160}",
            "ann\u{3164}",
            "ann\u{ffa0}",
            "ann\u{2800}",
            "ann\u{fe0f}",
            "1\u{fe0f}",
            "ann\u{fe00}",
            "ann\u{e0100}",
            "ann\u{e01ef}",
            "ann\u{180b}",
            "ann\u{180f}",
            "ann\u{17b4}",
            "ann\u{fff0}",
            "ann\u{1bca0}",
            "ann\u{1d173}",
            "ann\u{e0fff}",
            // Where letters do not join anyway, or join anyway, they change nothing.
            "خانه\u{200c}",
            "دا\u{200c}ر",
            "خ\u{200d}ا",
            "क\u{200c}ख",
            "❤\u{fe0f}\u{fe0f}",
            "❤\u{200d}",
            "\u{1f468}\u{200d}a",
            "\u{200d}\u{1f468}",
        ] {
            assert_eq!(id_of(name), Err(BadName), "{name:?}");
        }
    }

    #[test]
    fn a_token_id_of_any_text_is_one_here() {
        let id = |value: Value| Jti::of(&value).map(|jti| jti.0.to_string());
        assert_eq!(id(json!("4f1c")), Some("4f1c".into()));
        assert_eq!(id(json!(17)), Some("17".into()));
        let hashed = id(json!("aB/9+c==")).unwrap();
        assert_eq!(hashed, "sha256:a870d7006939740f83d86d42b9a1e2f847efbe996a86b94a218132ca3906e535");
        assert_eq!(hashed.len(), 7 + 64);
        assert_eq!(id(json!(hashed.clone())), Some(hashed.clone()), "as it is shown");
        assert_ne!(id(json!("aB/9+d==")), Some(hashed));
        assert_eq!(id(json!("x".repeat(129))).unwrap().len(), 7 + 64);
        assert_eq!(id(json!("")).unwrap().len(), 7 + 64);
        for wrong in [json!(1.5), json!(true), json!([]), json!({}), json!(null)] {
            assert_eq!(id(wrong.clone()), None, "{wrong}");
        }
    }
}
