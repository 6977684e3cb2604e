//! Times of a connection.

use serde::Deserialize;

use super::{Invalid, require, within};

/// See [`Config::session`](super::Config::session).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    /// Time for the first message, `authenticate`.
    pub auth_timeout_ms: u64,
    /// Time for TLS, for the head of each HTTP request, and for the handshake of a transport.
    pub handshake_timeout_ms: u64,
    /// Time for an HTTP request, its body included.
    pub request_timeout_ms: u64,
    /// Longest life of an HTTP connection, however many requests it brings.
    pub http_life_ms: u64,
    /// How often the server asks for a sign of life.
    pub heartbeat_ms: u64,
    /// Silence after which a client is gone.
    pub silence_ms: u64,
    /// Age of the oldest unsent frame after which a client is too slow.
    pub write_timeout_ms: u64,
    /// Silence of the network after which a QUIC connection is gone.
    pub quic_idle_ms: u64,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            auth_timeout_ms: 10_000,
            handshake_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            http_life_ms: 300_000,
            heartbeat_ms: 25_000,
            silence_ms: 60_000,
            write_timeout_ms: 10_000,
            quic_idle_ms: 30_000,
        }
    }
}

impl Session {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        for (time, key) in [
            (self.auth_timeout_ms, "session.auth_timeout_ms"),
            (self.handshake_timeout_ms, "session.handshake_timeout_ms"),
            (self.request_timeout_ms, "session.request_timeout_ms"),
            (self.heartbeat_ms, "session.heartbeat_ms"),
            (self.write_timeout_ms, "session.write_timeout_ms"),
        ] {
            within(time, 100..=600_000, key)?;
        }
        within(self.http_life_ms, 100..=86_400_000, "session.http_life_ms")?;
        within(self.quic_idle_ms, 1_000..=3_600_000, "session.quic_idle_ms")?;
        within(self.silence_ms, 100..=3_600_000, "session.silence_ms")?;
        require(self.silence_ms > self.heartbeat_ms, "session.silence_ms", "larger than session.heartbeat_ms")
    }
}
