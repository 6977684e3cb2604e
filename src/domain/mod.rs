//! What the server is for, one file a subject. Knows no transport.

mod buckets;
pub mod chat;
pub mod location;
pub mod notice;
pub mod presence;
pub mod revocation;

use std::{fmt::Display, sync::Arc};

use bytes::Bytes;
use fanfare_proto::{ClientId, ErrorBody, ErrorCode, Seq, TokenId, UserId, event::Stored};
use serde::Serialize;

use crate::{
    auth::{Identity, revocation::Revocations},
    config::Config,
    crowd::Crowd,
    error::refused,
    hub::Hub,
    id::{Audience, Tenant, Topic},
    metrics::Metrics,
    store::{Append, NewEvent, Store, StoreError},
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
    /// Who is there.
    pub presences: presence::Presences,
    /// Conversations looked up lately.
    pub conversations: chat::Directory,
    /// Who is here, and how much they may do.
    pub crowd: Arc<Crowd>,
    /// Tokens that no longer count.
    pub revocations: Revocations,
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

/// Notes for those who look back: who did what, in which organisation, to what, and whose that is. Neither secrets nor
/// contents. A text log shows no target: the word in front of it does for both kinds.
pub fn audit(caller: &Caller<'_>, tenant: &Tenant, what: &'static str, subject: &str, whose: impl Display) {
    let Identity { org, user, token_id, .. } = caller.identity;
    let token = token_id.as_ref().map_or("", TokenId::as_str);
    let (of, tenant) = (whose, tenant.org());
    tracing::info!(target: "fanfare::audit", what, subject, %of, org = %tenant, by = %user, by_org = %org, token, "audit");
}

/// An answer's payload as JSON text, or why there is none.
pub type Answer = Result<serde_json::Value, ErrorBody>;

fn answer<T: Serialize>(data: &T) -> Answer {
    serde_json::to_value(data).map_err(|e| ErrorCode::InternalError.with(e.to_string()))
}

/// A payload as the store keeps it.
fn json<T: Serialize>(data: &T) -> Result<Bytes, ErrorBody> {
    serde_json::to_vec(data).map(Bytes::from).map_err(|e| ErrorCode::InternalError.with(e.to_string()))
}

/// An event that a caller's request adds to a topic.
struct Said {
    topic: Topic,
    audience: Audience,
    client_id: ClientId,
    name: &'static str,
    data: Bytes,
    countable: bool,
}

/// Adds an event. Its receivers have it, or will read it, when this answers; with it comes the number of countable
/// events up to it.
async fn say(services: &Services, caller: &Caller<'_>, said: Said) -> Result<(Stored, u64), ErrorBody> {
    append(services, caller, said, None).await.map_err(refused)
}

/// The same for the first event of a topic; `None` if it has one already that another request made.
async fn say_first(
    services: &Services,
    caller: &Caller<'_>,
    said: Said,
) -> Result<Option<Stored>, ErrorBody> {
    match append(services, caller, said, Some(Seq::ZERO)).await {
        Ok((stored, _)) => Ok(Some(stored)),
        Err(StoreError::Conflict { .. }) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

async fn append(
    services: &Services,
    caller: &Caller<'_>,
    said: Said,
    expect: Option<Seq>,
) -> Result<(Stored, u64), StoreError> {
    let event = NewEvent {
        author: caller.user().clone(),
        client_id: said.client_id,
        at: services.clock.now(),
        name: said.name.into(),
        data: said.data,
        countable: said.countable,
    };
    let name = said.topic.name.clone();
    let append = Append { topic: said.topic, expect, events: vec![event], audience: said.audience };
    let appended = services.store.append(append).await?;
    let Some(outcome) = appended.outcomes.first() else {
        return Err(StoreError::Corrupt("an append without an outcome".to_owned()));
    };
    let stored = Stored {
        topic: name,
        epoch: appended.epoch,
        seq: outcome.seq,
        at: outcome.at,
        duplicate: outcome.duplicate,
        conversation_id: None,
    };
    Ok((stored, outcome.count))
}
