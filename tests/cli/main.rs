//! The subcommands that are clients, as somebody uses them: processes, their input and their output.

#![allow(unreachable_pub, missing_docs, clippy::unwrap_used)]

mod backup;
mod chat;
mod config;
mod drain;
mod harness;
mod operations;
mod proxy;
mod replay;
mod transfer;
