//! `/api/v1/revocations`: tokens that no longer count.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use fanfare_proto::{ClientId, DeviceId, ErrorCode, OrgId, UnixMs, UserId};
use serde::{Deserialize, Serialize};

use super::{
    Answer, Problem, Routes,
    asked::{Asked, Body, Named},
    door::By,
};
use crate::{
    auth::{
        ids::Jti,
        policy::Action,
        revocation::{Revocation, Subject},
    },
    domain::revocation::{self, Revoke},
};

/// Longest reason, in bytes.
const MAX_REASON: usize = 256;
/// Most of a page.
const PAGE: usize = 100;

/// What is asked to be revoked: a user, a device of a user, or a token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    client_id: ClientId,
    organization_id: Option<OrgId>,
    user_id: Option<UserId>,
    device_id: Option<DeviceId>,
    token_id: Option<Jti>,
    until: Option<UnixMs>,
    reason: Option<String>,
}

/// Whose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    organization_id: Option<OrgId>,
}

/// Which part of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    organization_id: Option<OrgId>,
    after: Option<String>,
}

/// A revocation, and what follows from it.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    #[serde(flatten)]
    revocation: Revocation,
    /// Of a user: tokens that are issued from then on are good.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_from: Option<UnixMs>,
}

impl Told {
    fn of(routes: &Routes, revocation: Revocation) -> Self {
        Self { tokens_from: routes.services.revocations.tokens_from(&revocation), revocation }
    }
}

/// A page.
#[derive(Debug, Serialize)]
pub(super) struct List {
    revocations: Vec<Told>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `POST /api/v1/revocations`
pub(super) async fn make(State(routes): State<Routes>, by: By, Body(ask): Body<Ask>) -> Answer {
    let tenant = by.tenant(Action::Revoke, ask.organization_id.as_ref())?;
    let subject = match (ask.user_id, ask.device_id, ask.token_id) {
        (Some(user_id), Some(device_id), None) => Subject::Device { user_id, device_id },
        (Some(user_id), None, None) => Subject::User { user_id },
        (None, None, Some(Jti(token_id))) => Subject::Token { token_id },
        _ => return Err(wrong("give user_id, or user_id and device_id, or token_id")),
    };
    if ask.reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON) {
        return Err(wrong("reason is longer than 256"));
    }
    let revoke = Revoke { client_id: ask.client_id, subject, until: ask.until, reason: ask.reason };
    let made = revocation::make(&routes.services, &by.caller(), &tenant, revoke).await?;
    Ok((StatusCode::CREATED, Json(Told::of(&routes, made))).into_response())
}

/// `GET /api/v1/revocations`
pub(super) async fn list(
    State(routes): State<Routes>,
    by: By,
    Asked(part): Asked<Part>,
) -> Answer<Json<List>> {
    let tenant = by.tenant(Action::Revoke, part.organization_id.as_ref())?;
    let services = &routes.services;
    let now = services.clock.wall();
    let revocations = services.revocations.of(&tenant, part.after.as_deref(), PAGE, now);
    let full = revocations.len() == PAGE;
    let next = revocations.last().filter(|_| full).map(|last| last.revocation_id.clone());
    let revocations = revocations.into_iter().map(|revocation| Told::of(&routes, revocation)).collect();
    Ok(Json(List { revocations, next }))
}

/// `DELETE /api/v1/revocations/{revocation_id}`
pub(super) async fn lift(
    State(routes): State<Routes>,
    by: By,
    Named(id): Named<String>,
    Asked(whose): Asked<Whose>,
) -> Answer {
    let tenant = by.tenant(Action::Revoke, whose.organization_id.as_ref())?;
    revocation::lift(&routes.services, &by.caller(), &tenant, &id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn wrong(why: &str) -> Problem {
    ErrorCode::InvalidMessage.with(why).into()
}
