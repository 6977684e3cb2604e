//! Presence: who is there, and what they say of themselves.

use serde::{Deserialize, Serialize};

use crate::{
    command::{Check, at_most, text_at_most},
    id::{UnixMs, UserId},
};

/// Longest text that somebody shows beside their name, in bytes of its JSON form.
pub const MAX_STATUS_TEXT: usize = 256;
/// Most users that one subscription names.
pub const MAX_WATCHED: usize = 200;
/// Most users that `presence:get` names, and that a page of its answer holds.
pub const MAX_PRESENCE_PAGE: usize = 50;

/// What others see of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No device is there, or none that wants to be seen. Also what somebody is that nobody has ever seen.
    #[default]
    Offline,
    /// There, but not looking: a hidden page, a locked phone.
    Away,
    /// There.
    Online,
    /// There, and not to be disturbed.
    Busy,
    /// In a call. Only the server says so.
    InCall,
}

/// What a device may say of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// It is not to be seen; also what a device says that is about to leave.
    Offline,
    /// Nobody looks at it.
    Away,
    /// It is used.
    #[default]
    Online,
    /// Its user is not to be disturbed.
    Busy,
}

impl From<Availability> for Status {
    fn from(availability: Availability) -> Self {
        match availability {
            Availability::Offline => Self::Offline,
            Availability::Away => Self::Away,
            Availability::Online => Self::Online,
            Availability::Busy => Self::Busy,
        }
    }
}

/// See [`Command::PresenceSet`](crate::Command::PresenceSet). What is absent stays as it is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PresenceSet {
    /// What this device is, for as long as it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Availability>,
    /// What the user, on all devices, shows beside the name. Kept; empty for nothing. Whoever shows it escapes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl std::fmt::Debug for PresenceSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PresenceSet")
            .field("status", &self.status)
            .field("text_bytes", &self.text.as_ref().map(String::len))
            .finish()
    }
}

impl Check for PresenceSet {
    fn check(&self) -> Result<(), String> {
        text_at_most("text", self.text.as_deref().unwrap_or_default(), MAX_STATUS_TEXT)
    }
}

/// See [`Command::PresenceGet`](crate::Command::PresenceGet).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PresenceGet {
    /// Of just these. Without it, of everyone of the organisation who was ever there, page by page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<UserId>>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserId>,
    /// Most users to answer (1 to 50).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

impl Check for PresenceGet {
    fn check(&self) -> Result<(), String> {
        at_most("users", self.users.as_ref().map_or(0, Vec::len), MAX_PRESENCE_PAGE)
    }
}

/// Somebody, as others see them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Presence {
    /// Who.
    pub user_id: UserId,
    /// What they are, over all devices.
    pub status: Status,
    /// What they show beside the name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    pub text: String,
    /// When they were last there, where they are not and ever were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<UnixMs>,
    /// Of two within one subscription the higher is the newer.
    pub version: u64,
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presence")
            .field("user_id", &self.user_id)
            .field("status", &self.status)
            .field("last_seen", &self.last_seen)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Answers `presence:get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PresencePage {
    /// A page, by user; where users were named, those, in the order asked.
    pub users: Vec<Presence>,
    /// Where the next page starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// See [`name::PRESENCE_SNAPSHOT`](crate::event::name::PRESENCE_SNAPSHOT).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PresenceSnapshot {
    /// The view.
    pub view: u32,
    /// Those who are watched, as they are.
    pub users: Vec<Presence>,
    /// Another part follows.
    pub more: bool,
}

/// See [`name::PRESENCE_CHANGED`](crate::event::name::PRESENCE_CHANGED).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct PresenceChanged {
    /// The view.
    pub view: u32,
    /// Who has changed, as they are now.
    pub users: Vec<Presence>,
}
