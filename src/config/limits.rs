//! How much of anything.

use serde::Deserialize;

use super::{Invalid, require};

/// See [`Config::limits`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Requests a second of one connection; twice as many at once.
    pub messages_per_second: u32,
    /// Packets of ticks a second of one connection; twice as many at once. Those above are dropped.
    pub packets_per_second: u32,
    /// Largest request in bytes.
    pub message_bytes: usize,
    /// Requests of one connection that may be under way; the next is not read until one is done.
    pub in_flight: usize,
    /// Invalid or refused requests a minute before a connection is closed for good.
    pub strikes_per_minute: u32,
    /// Agents of one organisation whose newest position is kept in memory.
    pub agents_per_organisation: usize,
    /// Bytes that may wait on a connection's ordered lane.
    pub ordered_bytes: usize,
    /// Bytes that may wait on a connection's urgent lane.
    pub urgent_bytes: usize,
    /// Events of a topic that a resuming client is sent at most; with more, it gets the newest page.
    pub resume_events: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            messages_per_second: 100,
            packets_per_second: 100,
            message_bytes: fanfare_proto::frame::MAX_EVENT,
            in_flight: 32,
            strikes_per_minute: 60,
            agents_per_organisation: 100_000,
            ordered_bytes: 1024 * 1024,
            urgent_bytes: 1024 * 1024,
            resume_events: 500,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        require(self.message_bytes >= 4096, "limits.message_bytes", "at least 4096")?;
        require(self.message_bytes <= 16 << 20, "limits.message_bytes", "at most 16777216")?;
        require(self.messages_per_second > 0, "limits.messages_per_second", "at least 1")?;
        require(self.packets_per_second > 0, "limits.packets_per_second", "at least 1")?;
        require(self.in_flight > 0, "limits.in_flight", "at least 1")?;
        let lane = fanfare_proto::frame::MAX_SENT * 2;
        require(self.ordered_bytes >= lane, "limits.ordered_bytes", "at least 65536")?;
        require(self.urgent_bytes >= lane, "limits.urgent_bytes", "at least 65536")
    }
}
