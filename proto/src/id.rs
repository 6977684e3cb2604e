//! Names and positions that travel on the wire, each a type that cannot hold a wrong value.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize, de};

/// Longest identifier, in bytes.
pub const MAX_ID: usize = 128;

/// An identifier was empty, too long, or had a character outside the allowed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to {MAX_ID} characters of A-Z a-z 0-9 . _ - @ + | = ~ :")]
pub struct InvalidId;

/// The character set holds what identity providers issue (`user_2x`, `auth0|9`, mail addresses, UUIDs)
/// and leaves out white space, controls, quotes and the wildcards and separators of bus subjects (`*` `>` `/`).
fn check(text: &str) -> Result<(), InvalidId> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-@+|=~:".contains(&b);
    if text.is_empty() || text.len() > MAX_ID || !text.bytes().all(allowed) {
        return Err(InvalidId);
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Cheap to clone: the text is shared.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
        #[serde(transparent)]
        pub struct $name(#[serde(serialize_with = "serialize_text")] Arc<str>);

        impl $name {
            /// Checks and takes `text`.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: de::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                Self::new(&text).map_err(de::Error::custom)
            }
        }
    };
}

fn serialize_text<S: serde::Serializer>(text: &Arc<str>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(text)
}

text_id!(
    /// An organisation (tenant). Comes from the token only.
    OrgId
);
text_id!(
    /// A user within an organisation: the token's `sub`.
    UserId
);
text_id!(
    /// A device of a user, chosen and kept by the client.
    DeviceId
);
text_id!(
    /// A client's id for one mutating request. A repeat with the same id changes nothing.
    ClientId
);
text_id!(
    /// A conversation.
    ConversationId
);
text_id!(
    /// The key of a topic within its kind.
    TopicKey
);
text_id!(
    /// An issuer of tokens, as the server's configuration names it.
    IssuerId
);
text_id!(
    /// A token, unique for its issuer: its `jti`.
    TokenId
);
text_id!(
    /// A department of an organisation: a scope of what a user may see.
    DepartmentId
);
text_id!(
    /// A team of an organisation.
    TeamId
);

/// Largest number that travels: what JavaScript holds exactly. It fits a store's signed 64 bits, too.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

fn deserialize_number<'de, D: de::Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(d)?;
    if number > MAX_NUMBER {
        return Err(de::Error::custom("a number is at most 2^53 - 1"));
    }
    Ok(number)
}

impl From<&ConversationId> for TopicKey {
    fn from(id: &ConversationId) -> Self {
        Self(id.0.clone())
    }
}

impl From<&ConversationId> for ClientId {
    fn from(id: &ConversationId) -> Self {
        Self(id.0.clone())
    }
}

/// The one that is configured without a name.
impl Default for IssuerId {
    fn default() -> Self {
        Self("default".into())
    }
}

impl OrgId {
    /// No organisation: what servers keep for themselves stands under it. A token that names it is refused.
    pub fn servers() -> Self {
        Self("~servers".into())
    }
}

impl UserId {
    /// Stands for a user whose id cannot be read any more.
    pub fn unknown() -> Self {
        Self("~unknown".into())
    }
}

impl ClientId {
    /// Stands for the id of a request that cannot be read any more: that of the event at a position.
    pub fn at(seq: Seq) -> Self {
        Self(format!("~unknown-{}", seq.0).into())
    }
}

impl TopicKey {
    /// The key of a kind that has one topic for each organisation.
    pub fn all() -> Self {
        Self("all".into())
    }
}

impl ConversationId {
    /// An id from bytes, as hexadecimal digits. Bytes beyond half of [`MAX_ID`] are left out.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let hex = hex(&bytes[..bytes.len().min(MAX_ID / 2)]);
        Self(if hex.is_empty() { "00".into() } else { hex.into() })
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Position of an event in its topic: 1, 2, 3 … without gaps. 0 stands before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(transparent)]
pub struct Seq(#[serde(deserialize_with = "deserialize_number")] pub u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Self = Self(0);

    /// The position that follows.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A life of a topic's log. Positions of different epochs cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(transparent)]
pub struct Epoch(pub u32);

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(transparent)]
pub struct UnixMs(#[serde(deserialize_with = "deserialize_number")] pub u64);

impl UnixMs {
    /// This instant moved by `ms` milliseconds, never past either end.
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; 0 where `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Kinds of topic. A kind decides the lane, so within a topic nothing overtakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TopicKind {
    /// One conversation's log.
    Conversation,
    /// Notices to an organisation.
    Notice,
    /// Urgent notices to an organisation.
    UrgentNotice,
    /// Revoked tokens, for servers among themselves. No client is sent it.
    Revocation,
}

impl TopicKind {
    /// Every kind, for registries and tests.
    pub const ALL: [Self; 4] = [Self::Conversation, Self::Notice, Self::UrgentNotice, Self::Revocation];

    /// The kind's name on the wire and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Notice => "notice",
            Self::UrgentNotice => "urgent_notice",
            Self::Revocation => "revocation",
        }
    }

    /// The lane that carries events of this kind.
    pub const fn lane(self) -> Lane {
        match self {
            Self::UrgentNotice | Self::Revocation => Lane::Urgent,
            Self::Conversation | Self::Notice => Lane::Ordered,
        }
    }
}

impl FromStr for TopicKind {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(InvalidId)
    }
}

/// The reliable lanes, in order of precedence. Ticks have a lane of their own (datagrams).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Alerts, calls, urgent notices.
    Urgent,
    /// Everything else that is reliable.
    Ordered,
}

/// A topic as a client names it, `kind:key`. Its organisation is the connection's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "`${TopicKind}:${string}`"))]
pub struct TopicName {
    /// What kind of topic.
    pub kind: TopicKind,
    /// Which one of that kind.
    pub key: TopicKey,
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.key)
    }
}

impl FromStr for TopicName {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (kind, key) = text.split_once(':').ok_or(InvalidId)?;
        Ok(Self { kind: kind.parse()?, key: key.parse()? })
    }
}

impl Serialize for TopicName {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TopicName {
    fn deserialize<D: de::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Where a device stands in a topic: it has everything up to `seq` that it may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Cursor {
    /// The topic.
    pub topic: TopicName,
    /// The life of the topic's log that `seq` counts in.
    pub epoch: Epoch,
    /// The last position held.
    pub seq: Seq,
}
