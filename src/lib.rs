//! Fanfare: a QUIC/WebTransport-first realtime server with a WebSocket fallback.

pub mod id;
pub mod store;
