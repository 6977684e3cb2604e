//! What a peer is told when something inside went wrong.

use fanfare_proto::{ErrorBody, ErrorCode};

use crate::{id::Tenant, limit::LogLimiter, store::StoreError, time::Clock};

// Refusals come as often as clients ask.
static UNAVAILABLE: LogLimiter = LogLimiter::new();
static DAMAGED: LogLimiter = LogLimiter::new();
static UNREADABLE: LogLimiter = LogLimiter::new();

/// How long a client waits before it repeats what the store could not do.
const RETRY_MS: u64 = 1000;

/// The answer to a request that a store call failed for.
pub fn refused(error: StoreError) -> ErrorBody {
    match error {
        StoreError::Conflict { .. } => ErrorCode::Conflict.with("it has changed meanwhile"),
        StoreError::NotFound => ErrorCode::RoomNotFound.with("no such thing"),
        StoreError::Unavailable(why) => {
            if let Some(left_out) = UNAVAILABLE.allow(Clock::system().elapsed()) {
                tracing::warn!(%why, left_out, "store unavailable");
            }
            ErrorCode::Unavailable.with("the store is unavailable, try again").retry_after(RETRY_MS)
        }
        StoreError::TooLarge => ErrorCode::MessageTooLarge.with("too large for the store"),
        StoreError::Corrupt(why) => {
            if let Some(left_out) = DAMAGED.allow(Clock::system().elapsed()) {
                tracing::error!(%why, left_out, "store damaged");
            }
            ErrorCode::InternalError.with("internal error")
        }
    }
}

/// Something stored does not have the shape that this server wrote.
pub fn corrupt(org: &Tenant, what: &str, why: &dyn std::fmt::Display) -> ErrorBody {
    if let Some(left_out) = UNREADABLE.allow(Clock::system().elapsed()) {
        tracing::error!(%org, what, %why, left_out, "stored data does not decode");
    }
    ErrorCode::InternalError.with("internal error")
}
