//! How the server goes down.

use std::time::Duration;

use serde::Deserialize;

use super::{Invalid, require, within};

/// See [`Config::drain`](super::Config::drain).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// How long it serves on after it has said that it is not ready, so that balancers notice.
    pub pause_ms: u64,
    /// How long it takes to tell all clients to move.
    pub spread_ms: u64,
    /// From telling a client to closing its connection.
    pub notice_ms: u64,
    /// When all is over, counted from the signal.
    pub deadline_ms: u64,
}

impl Default for Drain {
    fn default() -> Self {
        Self { pause_ms: 0, spread_ms: 3_000, notice_ms: 1_000, deadline_ms: 20_000 }
    }
}

/// Of the time until the deadline, what remains for connections that did not end, for fixes and for the store: whoever
/// was told to move has what it was told until then.
const LAST_MS: u64 = 4_000;

impl Drain {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        let most = 3_600_000;
        within(self.deadline_ms, LAST_MS..=most, "drain.deadline_ms")?;
        within(self.pause_ms, 0..=most, "drain.pause_ms")?;
        within(self.spread_ms, 0..=most, "drain.spread_ms")?;
        within(self.notice_ms, 0..=most, "drain.notice_ms")?;
        let sum = self.pause_ms + self.spread_ms + self.notice_ms;
        let allowed =
            "4000 more than drain.pause_ms, spread_ms and notice_ms together, for what comes after them";
        require(self.deadline_ms >= sum + LAST_MS, "drain.deadline_ms", allowed)
    }

    /// The end of the time until the deadline, in which nobody is waited for.
    pub const LAST: Duration = Duration::from_millis(LAST_MS);

    /// See [`Self::pause_ms`].
    pub const fn pause(&self) -> Duration {
        Duration::from_millis(self.pause_ms)
    }

    /// See [`Self::spread_ms`].
    pub const fn spread(&self) -> Duration {
        Duration::from_millis(self.spread_ms)
    }

    /// See [`Self::notice_ms`].
    pub const fn notice(&self) -> Duration {
        Duration::from_millis(self.notice_ms)
    }

    /// See [`Self::deadline_ms`].
    pub const fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}
