//! Where a client stands.

use std::time::Duration;

use crate::{CloseReason, Loss, Transport};

/// Where a client stands. Told by [`Client::state`](crate::Client::state).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Reaching the server.
    Connecting,
    /// A transport is through; the server looks at the token.
    Authenticating,
    /// Requests are answered and events come.
    Open(Transport),
    /// Waiting before the next attempt.
    Backoff {
        /// Why there is no connection.
        cause: Loss,
        /// How long it takes; `None`: until the application has taken its events.
        wait: Option<Duration>,
    },
    /// Ended for good.
    Closed(CloseReason),
}

impl State {
    /// Whether requests are answered now.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Whether the client has ended.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}
