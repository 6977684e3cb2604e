//! Codes: what a refused request and a closed connection tell the peer.

use serde::{Deserialize, Serialize};

use crate::event::ErrorBody;

/// Why a request was refused. The first ten are what clients of the replaced products know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The token is missing, malformed, forged or not meant for this server.
    AuthFailed,
    /// The caller may not do this.
    Unauthorized,
    /// The message is not valid: syntax, unknown event, field out of range.
    InvalidMessage,
    /// The message is larger than allowed.
    MessageTooLarge,
    /// Too many messages; `retry_after_ms` tells when to go on.
    RateLimitExceeded,
    /// The channel cannot be subscribed to.
    SubscriptionFailed,
    /// No such room or topic, or not the caller's.
    RoomNotFound,
    /// The room has as many members as it may have.
    RoomFull,
    /// As many connections as allowed are open.
    ConnectionLimit,
    /// The server failed. Nothing is known to have been done; repeat with the same client id.
    InternalError,
    /// The token has expired.
    TokenExpired,
    /// The token begins later, by the server's clock; `retry_after_ms` tells when.
    TokenNotYetValid,
    /// What the request was based on has changed meanwhile.
    Conflict,
    /// Something that is needed cannot be reached now; `retry_after_ms` tells when to try again.
    Unavailable,
    /// A code that this version does not know. Never sent.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// Every code that is sent, for documents and tests.
    pub const ALL: [Self; 14] = [
        Self::AuthFailed,
        Self::Unauthorized,
        Self::InvalidMessage,
        Self::MessageTooLarge,
        Self::RateLimitExceeded,
        Self::SubscriptionFailed,
        Self::RoomNotFound,
        Self::RoomFull,
        Self::ConnectionLimit,
        Self::InternalError,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::Conflict,
        Self::Unavailable,
    ];

    /// An error of this code with words for a person.
    pub fn with(self, message: impl Into<String>) -> ErrorBody {
        ErrorBody { code: self, message: message.into(), retry_after_ms: None }
    }
}

/// When a client whose connection was closed may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// At once (with jitter), and resume: codes 4000 to 4099, and every loss without a code.
    Now,
    /// After a back-off: codes 4100 to 4199.
    Later,
    /// Not without something being changed: codes 4200 to 4299.
    Never,
}

/// Why the server closed. The number is the same on WebTransport and WebSocket; its hundreds give the advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCode {
    /// The server is going away.
    GoingAway,
    /// The client did not read fast enough. What it missed is in the log: resume.
    Slow,
    /// Nothing was heard from the client for too long.
    Silent,
    /// The token has expired: come back with a new one.
    TokenExpired,
    /// No `authenticate` in time.
    AuthTimeout,
    /// As many connections as allowed are open.
    ConnectionLimit,
    /// The server failed, or cannot reach what it needs.
    Unavailable,
    /// The token was refused.
    AuthFailed,
    /// Too many invalid or refused messages.
    Abuse,
    /// A frame was larger than allowed.
    TooLarge,
    /// The rules of the transport were broken.
    Violation,
    /// Somebody closed this connection. It may come back.
    Disconnected,
    /// The token begins later, by the server's clock: come back then, with the same one.
    TokenNotYetValid,
    /// The token, its user or the device was revoked. Another token may be good.
    Revoked,
}

impl CloseCode {
    /// Every code, for documents and tests.
    pub const ALL: [Self; 14] = [
        Self::GoingAway,
        Self::Slow,
        Self::Silent,
        Self::TokenExpired,
        Self::AuthTimeout,
        Self::ConnectionLimit,
        Self::Unavailable,
        Self::Disconnected,
        Self::TokenNotYetValid,
        Self::AuthFailed,
        Self::Abuse,
        Self::TooLarge,
        Self::Violation,
        Self::Revoked,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::GoingAway => 4000,
            Self::Slow => 4001,
            Self::Silent => 4002,
            Self::TokenExpired => 4003,
            Self::AuthTimeout => 4100,
            Self::ConnectionLimit => 4101,
            Self::Unavailable => 4102,
            Self::Disconnected => 4103,
            Self::TokenNotYetValid => 4104,
            Self::AuthFailed => 4200,
            Self::Abuse => 4201,
            Self::TooLarge => 4202,
            Self::Violation => 4203,
            Self::Revoked => 4204,
        }
    }

    /// The reason given with the number.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "going away",
            Self::Slow => "slow, resume",
            Self::Silent => "silent for too long",
            Self::TokenExpired => "token expired",
            Self::AuthTimeout => "not authenticated in time",
            Self::ConnectionLimit => "too many connections",
            Self::Unavailable => "unavailable",
            Self::Disconnected => "closed by an administrator",
            Self::TokenNotYetValid => "token not yet valid",
            Self::AuthFailed => "authentication failed",
            Self::Abuse => "too many invalid messages",
            Self::TooLarge => "message too large",
            Self::Violation => "protocol violation",
            Self::Revoked => "revoked",
        }
    }
}

impl Advice {
    /// The advice that goes with a number, also one that this version does not know.
    pub const fn of(number: u32) -> Self {
        match number {
            4100..=4199 => Self::Later,
            4200..=4299 => Self::Never,
            _ => Self::Now,
        }
    }
}
