//! What a peer is told when something inside went wrong.

use std::time::Instant;

use fanfare_proto::{ErrorBody, ErrorCode};

use crate::{id::Tenant, limit::Repeats, store::StoreError};

// Refusals come as often as clients ask.
static UNAVAILABLE: Repeats = Repeats::new();
static DAMAGED: Repeats = Repeats::new();
static UNREADABLE: Repeats = Repeats::new();

/// How long a client waits before it repeats what the store could not do.
const RETRY_MS: u64 = 1000;

/// The answer to a request that a store call failed for.
pub fn refused(error: StoreError) -> ErrorBody {
    match error {
        StoreError::Conflict { .. } => ErrorCode::Conflict.with("it has changed meanwhile"),
        StoreError::NotFound => ErrorCode::RoomNotFound.with("no such thing"),
        StoreError::Unavailable(why) => {
            if let Some(left_out) = UNAVAILABLE.due(Instant::now()) {
                tracing::warn!(%why, left_out, "store unavailable");
            }
            ErrorCode::Unavailable.with("the store is unavailable, try again").retry_after(RETRY_MS)
        }
        StoreError::TooLarge => ErrorCode::MessageTooLarge.with("too large for the store"),
        StoreError::Corrupt(why) => {
            if let Some(left_out) = DAMAGED.due(Instant::now()) {
                tracing::error!(%why, left_out, "store damaged");
            }
            ErrorCode::InternalError.with("internal error")
        }
    }
}

/// Something stored does not have the shape that this server wrote.
pub fn corrupt(org: &Tenant, what: &str, why: &dyn std::fmt::Display) -> ErrorBody {
    if let Some(left_out) = UNREADABLE.due(Instant::now()) {
        tracing::error!(%org, what, %why, left_out, "stored data does not decode");
    }
    ErrorCode::InternalError.with("internal error")
}
