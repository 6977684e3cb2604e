//! Fanfare's client: one connection that is kept, over WebTransport or WebSocket, and resumed where it was.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use fanfare_client::{Client, Config, Event, proto::DeviceId};
//!
//! let config = Config::new("http://127.0.0.1:4433", "a token", DeviceId::new("laptop-1")?);
//! let (client, mut events) = Client::connect(config)?;
//! while let Some(event) = events.next().await {
//!     if let Event::Message { entry, message } = event {
//!         println!("{}: {}", entry.by, message.text);
//!         client.mark_read(message.conversation_id, entry.seq).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Client`] asks and [`Events`] tells. [`Positions`] is the live view of agents, [`Tracker`] sends a device's own
//! fixes so that every one of them is stored in the end.
//!
//! A client comes back by itself: at once or after a back-off, as the server's close code advises, and never where
//! the server says so. Events of a log come once and in order, also across reconnects; where the server no longer
//! has them all, [`Event::Gap`] says so. Large events and requests travel compressed, unless [`Config::compress`] says
//! otherwise. Requests that were not answered are sent again with the same client id.

mod actor;
mod backoff;
mod client;
mod clock;
mod compress;
mod config;
mod connect;
mod cursors;
mod environment;
mod error;
mod event;
mod events;
mod link;
mod moving;
mod net;
mod outbox;
mod positions;
mod race;
mod receive;
mod renewal;
mod session;
mod shared;
mod state;
mod stats;
mod table;
mod token;
mod tracker;
mod wanted;
mod watched;

#[cfg(test)]
mod tests;

pub use fanfare_proto as proto;

pub use client::Client;
pub use config::{Config, Limits, Preference, Transport};
pub use cursors::Cursors;
pub use environment::Environment;
pub use error::{CloseReason, Error, Loss};
pub use event::{Event, Gap};
pub use events::Events;
pub use positions::{AgentPosition, Change, Positions, Updates};
pub use state::State;
pub use stats::Stats;
pub use token::{Token, TokenError};
#[cfg(feature = "disk")]
pub use tracker::Disk;
pub use tracker::{Discarded, Sample, Tracker, TrackerConfig, TrackerStats, Why};

/// What configuration is made of: certificates and QUIC endpoints.
pub use quinn;
pub use rustls;
