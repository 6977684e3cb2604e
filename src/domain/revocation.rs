//! Revoked tokens: a log of its own, of all organisations, that every node reads again and again. What it says holds on
//! each node within a second, and after a restart before anyone is let in.
//!
//! While the log cannot be read, what is known goes on to hold and whoever is connected stays; new connections and requests
//! to the HTTP API are let in by what was known up to 30 s ago, and then no longer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fanfare_proto::{
    ClientId, DeviceId, ErrorBody, ErrorCode, OrgId, Seq, TopicKey, TopicKind, TopicName, UnixMs, id,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use super::{Caller, Services, audit, json};
use crate::{
    auth::{
        Identity,
        jwt::{Refused, Verifier},
        revocation::{Change, Revocation, Subject},
    },
    error::{corrupt, refused},
    id::{Audience, Tenant, Topic},
    store::{Append, Event, From, NewEvent},
};

/// How often the log is read.
const EVERY: Duration = Duration::from_millis(500);
/// A reading takes its time, too, and all is to be known within a second.
const _: () = assert!(EVERY.as_millis() <= 500);
/// Between attempts that fail.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// How long a read may take, and so how long somebody waits to be let in.
const PATIENCE: Duration = Duration::from_secs(5);

const PAGE: usize = 500;
const PAGE_BYTES: usize = 256 * 1024;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

const MADE: &str = "revocation:made";
const LIFTED: &str = "revocation:lifted";

/// What is to be revoked.
#[derive(Debug)]
pub struct Revoke {
    /// Makes a repeat harmless.
    pub client_id: ClientId,
    /// Whom it is about.
    pub subject: Subject,
    /// When it is to end by itself, if sooner than the configuration says.
    pub until: Option<UnixMs>,
    /// Why, in words.
    pub reason: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Lifted {
    organization_id: OrgId,
    revocation_id: String,
}

/// Of all organisations.
fn topic() -> Topic {
    Topic { org: Tenant::servers(), name: TopicName { kind: TopicKind::Revocation, key: TopicKey::all() } }
}

/// Who the bearer of a token is, unless it is revoked. Every door asks this.
pub async fn admit(
    services: &Services,
    verifier: &Verifier,
    token: &str,
    device: Option<&DeviceId>,
) -> Result<Identity, Refused> {
    let identity = verifier.verify(token, services.clock.now(), services.clock.elapsed()).await?;
    let revocations = &services.revocations;
    if !revocations.is_recent(services.clock.elapsed()) {
        // At the start it is only a matter of reading once.
        let _ = timeout(PATIENCE, revocations.look()).await;
        if !revocations.is_recent(services.clock.elapsed()) {
            return Err(Refused::Unknown);
        }
    }
    match revocations.refusal(&identity, device, services.clock.wall()) {
        None => Ok(identity),
        Some(refused) => {
            let now = services.clock.elapsed();
            services.crowd.log_user(identity.org.org(), &identity.user, "the token is revoked", now);
            Err(refused)
        }
    }
}

/// Revokes. When this answers, it is stored and holds here; elsewhere it does within a second. A repeat changes nothing.
pub async fn make(
    services: &Services,
    caller: &Caller<'_>,
    tenant: &Tenant,
    asked: Revoke,
) -> Result<Revocation, ErrorBody> {
    // A clock that is behind would make what was issued meanwhile look newer than this. A token that was let in is not of the
    // future, whatever the clocks say.
    let newest = newest(services, tenant, &asked.subject);
    let latest = services.clock.latest();
    let at = newest.map_or(latest, |newest| newest.max(latest));
    let longest = at.plus(u64::from(services.config.retention.revocation_days) * DAY_MS);
    let until = asked.until.unwrap_or(longest);
    if until <= services.clock.now() || until > longest {
        return Err(
            ErrorCode::InvalidMessage.with("until lies in the past, or after retention.revocation_days")
        );
    }
    let revocation = Revocation {
        revocation_id: derive_id(tenant, caller, &asked.client_id),
        organization_id: tenant.org().clone(),
        subject: asked.subject,
        at,
        until,
        by: caller.user().clone(),
        reason: asked.reason,
    };
    let full = !services.revocations.has_room(tenant, services.config.limits.revocations_per_organisation);
    // A repeat gets its answer nevertheless, and what is new finds that the log is not empty.
    let expect = full.then_some(Seq::ZERO);
    let data = json(&revocation)?;
    let stored = append(services, caller, &revocation.revocation_id, expect, MADE, data).await;
    let stored = stored.map_err(|error| match error.code {
        ErrorCode::Conflict if full => {
            ErrorCode::RateLimitExceeded.with("too many revocations stand: lift some")
        }
        _ => error,
    })?;
    // Also where it is a repeat: the first may have been stored by a server that did not live to say so.
    let what = if stored.is_none() { "revocation:made" } else { "revocation:repeated" };
    audit(caller, tenant, what, &revocation.revocation_id, &revocation.subject);
    let revocation = match stored {
        None => revocation,
        Some(first) => match change(&first)? {
            Change::Made { revocation, .. } => revocation,
            Change::Lifted { .. } => return Err(ErrorCode::Conflict.with("client_id was used before")),
        },
    };
    learned(services).await;
    Ok(revocation)
}

/// When the newest token was issued by which a user is connected here, where it is the user that is revoked.
fn newest(services: &Services, org: &Tenant, subject: &Subject) -> Option<UnixMs> {
    let Subject::User { user_id } = subject else { return None };
    let identities = services.hub.connections(org, None).map(|connection| connection.identity());
    identities.filter(|identity| identity.user == *user_id).filter_map(|identity| identity.issued_at).max()
}

/// Lifts a revocation before its end.
pub async fn lift(
    services: &Services,
    caller: &Caller<'_>,
    tenant: &Tenant,
    id: &str,
) -> Result<(), ErrorBody> {
    let found = services.revocations.get(tenant, id, services.clock.wall());
    let Some(revocation) = found else { return Err(ErrorCode::RoomNotFound.with("no such thing")) };
    let Revocation { revocation_id, subject, .. } = revocation;
    let lifted = Lifted { organization_id: tenant.org().clone(), revocation_id };
    let name = format!("{}-lifted", lifted.revocation_id);
    append(services, caller, &name, None, LIFTED, json(&lifted)?).await?;
    audit(caller, tenant, "revocation:lifted", &lifted.revocation_id, subject);
    learned(services).await;
    Ok(())
}

/// What was stored now is known soon; where it is not, the next reading will tell.
async fn learned(services: &Services) {
    let _ = timeout(PATIENCE, services.revocations.look()).await;
}

/// Adds to the log. Answers what stands there since an earlier request, if this repeats one.
async fn append(
    services: &Services,
    caller: &Caller<'_>,
    client_id: &str,
    expect: Option<Seq>,
    name: &str,
    data: Bytes,
) -> Result<Option<Event>, ErrorBody> {
    let client_id = ClientId::new(client_id).map_err(|e| ErrorCode::InternalError.with(e.to_string()))?;
    let event = NewEvent {
        author: caller.user().clone(),
        client_id,
        at: services.clock.now(),
        name: name.into(),
        data,
        countable: false,
    };
    let topic = topic();
    let audience = Audience::Members(Arc::new([]));
    let append = Append { topic: topic.clone(), expect, events: vec![event], audience };
    let appended = services.store.append(append).await.map_err(refused)?;
    match appended.outcomes.first() {
        Some(outcome) if outcome.duplicate => {
            let after = From::After(Seq(outcome.seq.0.saturating_sub(1)));
            let page = services.store.read(&topic, after, 1, PAGE_BYTES).await.map_err(refused)?;
            Ok(page.events.into_iter().find(|event| event.seq == outcome.seq))
        }
        _ => Ok(None),
    }
}

/// Reads the log again and again.
pub async fn follow(services: Arc<Services>) {
    let revocations = &services.revocations;
    let mut told = false;
    loop {
        let read = timeout(PATIENCE, catch_up(&services)).await;
        match read.unwrap_or_else(|_| Err(ErrorCode::Unavailable.with("no answer in time"))) {
            Ok(()) => told = false,
            Err(error) => {
                if !told {
                    tracing::warn!(%error, "revocations cannot be read: those known go on to hold");
                }
                told = true;
                revocations.not_known();
                // However many ask meanwhile.
                sleep(AFTER_FAILURE).await;
            }
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = revocations.asked() => {}
        }
    }
}

/// Reads what is new in the log, and closes the connections that it concerns.
async fn catch_up(services: &Services) -> Result<(), ErrorBody> {
    let revocations = &services.revocations;
    let topic = topic();
    let begun = services.clock.elapsed();
    loop {
        let position = revocations.position();
        let after = position.map_or(Seq::ZERO, |(_, seq)| seq);
        let page =
            services.store.read(&topic, From::After(after), PAGE, PAGE_BYTES).await.map_err(refused)?;
        let epoch = page.head.epoch;
        // Another life of the log, such as a backup's: what was known goes on to hold, and all of it is read again.
        if position.is_some_and(|(known, _)| known != epoch) {
            revocations.learn(epoch, Seq::ZERO, Vec::new(), services.clock.wall());
            continue;
        }
        let upto = page.events.last().map_or(after, |event| event.seq);
        let changes: Vec<Change> = page.events.iter().filter_map(|event| change(event).ok()).collect();
        let concerned: Vec<Tenant> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Made { org, .. } => Some(org.clone()),
                Change::Lifted { .. } => None,
            })
            .collect();
        revocations.learn(epoch, upto, changes, services.clock.wall());
        close(services, concerned);
        if !page.more {
            revocations.known(begun);
            return Ok(());
        }
    }
}

/// Closes the connections of these organisations that show what is revoked.
fn close(services: &Services, mut orgs: Vec<Tenant>) {
    orgs.sort();
    orgs.dedup();
    let now = services.clock.wall();
    for org in orgs {
        for connection in services.hub.connections(&org, None) {
            let device = connection.device.as_ref();
            if let Some(refused) = services.revocations.refusal(&connection.identity(), device, now) {
                services.hub.close(&org, connection.id, refused.close());
            }
        }
    }
}

/// What an event says. Whose it is, the server that stored it took from a token.
fn change(event: &Event) -> Result<Change, ErrorBody> {
    let wrong = |error: serde_json::Error| corrupt(&Tenant::servers(), "revocation", &error);
    match event.name.as_str() {
        MADE => {
            let revocation: Revocation = serde_json::from_slice(&event.data).map_err(wrong)?;
            Ok(Change::Made { org: Tenant::stored(revocation.organization_id.clone()), revocation })
        }
        LIFTED => {
            let lifted: Lifted = serde_json::from_slice(&event.data).map_err(wrong)?;
            Ok(Change::Lifted { org: Tenant::stored(lifted.organization_id), id: lifted.revocation_id })
        }
        other => Err(corrupt(&Tenant::servers(), "revocation", &other)),
    }
}

/// The id that a request makes: the same for every repeat, unlike that of any other request.
fn derive_id(tenant: &Tenant, caller: &Caller<'_>, client_id: &ClientId) -> String {
    let mut hash = Sha256::new();
    let (org, own) = (tenant.as_str(), caller.identity.org.as_str());
    for part in [org, own, caller.user().as_str(), client_id.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    id::hex(&hash.finalize()[..16])
}
