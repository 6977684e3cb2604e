//! How the public address is written, and what proxies say of it.

use serde::{Deserialize, Deserializer, de::Error};

use super::choice::choice;
use crate::net::public::{BadQuic, PublicQuic, PublicUrl};

/// Which headers the trusted proxies write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub enum ForwardedHeaders {
    /// Either kind, and never both: what a client adds is not told from what a proxy does.
    #[default]
    Any,
    /// `X-Forwarded-*`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

choice!(ForwardedHeaders { "any" => Any, "x-forwarded" => XForwarded, "forwarded" => Forwarded });

impl<'de> Deserialize<'de> for PublicUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A variable that holds a number or a truth value comes as one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Port(i64),
    Switch(bool),
    Text(String),
}

impl<'de> Deserialize<'de> for PublicQuic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = match Written::deserialize(deserializer).map_err(|_| D::Error::custom(BadQuic))? {
            Written::Switch(false) => Ok(Self::None),
            Written::Switch(true) => Err(BadQuic),
            Written::Port(port) => Self::parse(&port.to_string()),
            Written::Text(text) => Self::parse(&text),
        };
        read.map_err(D::Error::custom)
    }
}
