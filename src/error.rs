//! What a peer is told when something inside went wrong.

use fanfare_proto::{ErrorBody, ErrorCode};

use crate::{id::Tenant, store::StoreError};

/// How long a client waits before it repeats what the store could not do.
const RETRY_MS: u64 = 1000;

/// The answer to a request that a store call failed for.
pub fn refused(error: StoreError) -> ErrorBody {
    match error {
        StoreError::Conflict { .. } => ErrorCode::Conflict.with("it has changed meanwhile"),
        StoreError::NotFound => ErrorCode::RoomNotFound.with("no such thing"),
        StoreError::Unavailable(why) => {
            tracing::warn!(%why, "store unavailable");
            ErrorCode::Unavailable.with("the store is unavailable, try again").retry_after(RETRY_MS)
        }
        StoreError::TooLarge => ErrorCode::MessageTooLarge.with("too large for the store"),
        StoreError::Corrupt(why) => {
            tracing::error!(%why, "store damaged");
            ErrorCode::InternalError.with("internal error")
        }
    }
}

/// Something stored does not have the shape that this server wrote.
pub fn corrupt(org: &Tenant, what: &str, why: &dyn std::fmt::Display) -> ErrorBody {
    tracing::error!(%org, what, %why, "stored data does not decode");
    ErrorCode::InternalError.with("internal error")
}
