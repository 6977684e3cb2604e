//! Fanfare: a QUIC/WebTransport-first realtime server with a WebSocket fallback.
//!
//! Modules in reading order; each uses only those after it, but for [`domain`], which stands on all below it.

pub mod server;

pub mod config;
pub mod connection;
pub mod http;
pub mod session;

pub mod domain;

pub mod hub;
pub mod shard;

pub mod auth;
pub mod crowd;
pub mod frame;
pub mod net;
pub mod outbox;
pub mod store;

pub mod error;
pub mod files;
pub mod id;
pub mod limit;
pub mod metrics;
pub mod stage;
pub mod time;
