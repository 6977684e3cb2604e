//! Tests through the front door: the real server on a free port, spoken to by clients that share no code with it but
//! the protocol crate, on both transports.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::large_enum_variant,
    clippy::float_cmp,
    clippy::match_wild_err_arm,
    clippy::needless_pass_by_value,
    clippy::unused_async
)]

mod chat;
mod http;
mod load;
mod positions;
mod presence;
mod security;
mod session;
mod support;
