//! The real server across a network that loses, stops and moves: two namespaces that `run.sh` makes and removes.
//! The server runs in one, this program in the other. Every test is ignored unless that script asks for it.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::duration_suboptimal_units,
    clippy::manual_is_multiple_of
)]

mod chat;
mod handshakes;
mod killed;
mod moved;
mod track;
mod wire;
mod world;
