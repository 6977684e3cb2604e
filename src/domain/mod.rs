//! What the server is for, one file a subject. Knows no transport.

pub mod chat;
pub mod location;
pub mod notice;

use std::sync::Arc;

use fanfare_proto::{ErrorBody, UserId};
use serde::Serialize;

use crate::{
    auth::Identity,
    config::Config,
    hub::Hub,
    metrics::Metrics,
    store::{Append, Appended, Outcome, Store},
    time::Clock,
};

/// What the domains stand on: built once at the start, no logic.
#[derive(Debug)]
pub struct Services {
    /// The configuration.
    pub config: Arc<Config>,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// What is published through.
    pub hub: Arc<Hub>,
    /// Live positions.
    pub locations: location::Locations,
    /// Conversations looked up lately.
    pub conversations: chat::Directory,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Who asks.
#[derive(Debug)]
pub struct Caller<'a> {
    /// What their token says.
    pub identity: &'a Identity,
    /// Tells their devices apart.
    pub source: u32,
}

impl Caller<'_> {
    fn user(&self) -> &UserId {
        &self.identity.user
    }
}

/// An answer's payload as JSON text, or why there is none.
pub type Answer = Result<serde_json::Value, ErrorBody>;

fn answer<T: Serialize>(data: &T) -> Answer {
    serde_json::to_value(data).map_err(|e| fanfare_proto::ErrorCode::InternalError.with(e.to_string()))
}

/// Appends one event. Its receivers have it, or will read it, when this answers.
async fn append_one(services: &Services, append: Append) -> Result<(Appended, Outcome), ErrorBody> {
    let appended = services
        .store
        .append(append)
        .await
        .map_err(crate::error::refused)?;
    match appended.outcomes.first().copied() {
        Some(outcome) => Ok((appended, outcome)),
        None => Err(fanfare_proto::ErrorCode::InternalError.with("internal error")),
    }
}
