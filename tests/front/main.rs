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

mod client;
mod doors;
mod gate;
mod harness;
mod issuer;
mod late;
mod store;
mod tap;
mod until;

mod abuse;
mod addresses;
mod attacks;
mod audit;
mod chat;
mod claims;
mod clocks;
mod closing;
mod compression;
mod cut;
mod drain;
mod fixes;
mod forged;
mod groups;
mod hearing;
mod herd;
mod http;
mod isolation;
mod keys;
mod lanes;
mod limits;
#[path = "../cassandra/node.rs"]
mod node;
mod outage;
mod positions;
mod presence;
mod presence_nodes;
mod pressure;
mod public;
mod refreshed;
mod reluctant;
mod resume;
mod returning;
mod revocation;
mod rolling;
mod teams;
mod tiles;
mod token;
mod transport;
mod unfinished;
mod window;
