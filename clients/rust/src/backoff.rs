//! When to come back.

use std::time::Duration;

use fanfare_proto::{Advice, CloseCode, ErrorBody, ErrorCode};
use tokio::time::Instant;

use crate::{CloseReason, Environment, Limits, Loss};

/// How long a server that goes away is expected back, and the largest window meanwhile.
const SOON: Duration = Duration::from_secs(30);
const SOON_MAX: Duration = Duration::from_secs(3);

/// What follows a loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Come back.
    Return {
        /// Almost at once, or after some time.
        later: bool,
        /// Not with this token.
        renew: bool,
        /// Not before this time has passed.
        floor: Duration,
    },
    /// Never.
    End(CloseReason),
}

impl Next {
    const NOW: Self = Self::back(false);
    const LATER: Self = Self::back(true);

    const fn back(later: bool) -> Self {
        Self::Return { later, renew: false, floor: Duration::ZERO }
    }

    /// The rule: what each loss means. `renewable`: asking for a token again may give another.
    pub(crate) fn after(loss: &Loss, renewable: bool) -> Self {
        match loss {
            Loss::Closed { code, .. } if *code == u32::from(CloseCode::TokenExpired.number()) => {
                Self::renewed(renewable, Duration::ZERO)
            }
            Loss::Closed { code, reason } => match Advice::of(*code) {
                Advice::Now => Self::NOW,
                Advice::Later => Self::LATER,
                Advice::Never => Self::End(CloseReason::Server { code: *code, reason: reason.clone() }),
            },
            Loss::Refused(error) => match error.code {
                // One that was issued before then would be refused again.
                ErrorCode::TokenExpired => Self::renewed(renewable, floor_of(error)),
                code if passes(code) => Self::Return { later: true, renew: false, floor: floor_of(error) },
                _ => Self::End(CloseReason::Refused(error.clone())),
            },
            Loss::TokenDenied(why) => Self::End(CloseReason::Token(why.clone())),
            Loss::Broken(_) | Loss::SlowConsumer => Self::NOW,
            Loss::Unreachable(_) | Loss::Unreadable | Loss::NoToken(_) => Self::LATER,
        }
    }

    fn renewed(renewable: bool, floor: Duration) -> Self {
        if renewable {
            Self::Return { later: false, renew: true, floor }
        } else {
            Self::End(CloseReason::Token("the token has expired".into()))
        }
    }
}

/// When to come back, as a refusal says. A server's word is obeyed within reason: an hour is no back-off.
fn floor_of(error: &ErrorBody) -> Duration {
    Duration::from_millis(error.retry_after_ms.unwrap_or(0).min(300_000))
}

/// Whether the same request may succeed some time later. A code of a later version is not taken for a "never".
pub(crate) fn passes(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::RateLimitExceeded
            | ErrorCode::ConnectionLimit
            | ErrorCode::InternalError
            | ErrorCode::Conflict
            | ErrorCode::Unavailable
            | ErrorCode::TokenNotYetValid
            | ErrorCode::Unknown
    )
}

/// Counts failures in a row and turns them into waits: exponential, with full jitter, capped.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
    /// Until then the server is expected back at any moment.
    soon: Option<Instant>,
}

impl Backoff {
    /// "Later" starts as if this many attempts had failed already.
    const LATER: u32 = 2;

    pub(crate) fn new(limits: &Limits) -> Self {
        Self { first: limits.backoff, max: limits.backoff_max, failures: 0, soon: None }
    }

    /// The server said that it goes away, as it does when it is restarted. Where it only ever says so, that is no
    /// reason to come back soon.
    pub(crate) fn expect_back(&mut self, now: Instant) {
        if self.failures == 0 {
            self.soon = Some(now + SOON);
        }
    }

    /// A session lived: the next loss is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait before the next attempt.
    pub(crate) fn wait(&mut self, later: bool, floor: Duration, environment: &Environment) -> Duration {
        let doublings = self.failures + if later { Self::LATER } else { 0 };
        self.failures = self.failures.saturating_add(1);
        let max = match self.soon {
            Some(soon) if Instant::now() < soon => self.max.min(SOON_MAX),
            _ => self.max,
        };
        let window = self.first.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(max);
        // Who is told "later" never comes at once, however the dice fall.
        let least = if later { self.first } else { Duration::ZERO };
        floor.max(least) + environment.part_of(window)
    }
}
