//! `/api/v1/connections`: who is connected to this node.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use fanfare_proto::{CloseCode, DeviceId, OrgId, UnixMs, UserId};
use serde::{Deserialize, Serialize};

use super::{
    Answer, Problem, Routes,
    asked::{Asked, Named},
    door::By,
};
use crate::{
    auth::policy::Action,
    domain::{self, location::scope::Scope},
    hub,
};

/// Most of a page.
const PAGE: usize = 500;

/// Which connections.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    organization_id: Option<OrgId>,
    user_id: Option<UserId>,
    after: Option<String>,
}

/// Whose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    organization_id: Option<OrgId>,
}

/// A connection.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    connection_id: String,
    user_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceId>,
    roles: Vec<String>,
    transport: &'static str,
    since: UnixMs,
    expires_at: UnixMs,
}

/// A page.
#[derive(Debug, Serialize)]
pub(super) struct List {
    connections: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// `GET /api/v1/connections`
pub(super) async fn list(
    State(routes): State<Routes>,
    by: By,
    Asked(which): Asked<Which>,
) -> Answer<Json<List>> {
    let tenant = by.tenant(Action::SeeConnections, which.organization_id.as_ref())?;
    let after = which.after.as_deref().map(|after| u64::from_str_radix(after, 16).unwrap_or(u64::MAX));
    let scope = Scope::granted(&by.0, Action::SeeConnections);
    let shown = |connection: &Arc<hub::Connection>| {
        let identity = connection.identity();
        scope.covers(&identity.units) && which.user_id.as_ref().is_none_or(|user| identity.user == *user)
    };
    let all = routes.services.hub.connections(&tenant, after);
    let mut found: Vec<_> = all.filter(shown).take(PAGE + 1).collect();
    let next = found.get(PAGE).is_some().then(|| format!("{:x}", found[PAGE - 1].id));
    found.truncate(PAGE);
    Ok(Json(List { connections: found.iter().map(|connection| row(connection)).collect(), next }))
}

/// `DELETE /api/v1/connections/{connection_id}`
pub(super) async fn close(
    State(routes): State<Routes>,
    by: By,
    Named(id): Named<String>,
    Asked(whose): Asked<Whose>,
) -> Answer {
    let tenant = by.tenant(Action::Disconnect, whose.organization_id.as_ref())?;
    let number = u64::from_str_radix(&id, 16).map_err(|_| Problem::not_found())?;
    let (hub, scope) = (&routes.services.hub, Scope::granted(&by.0, Action::Disconnect));
    // One of other departments looks like one that does not exist.
    let here = hub.connection(&tenant, number);
    let granted = here.filter(|connection| scope.covers(&connection.identity().units));
    let Some(closed) = granted.filter(|_| hub.close(&tenant, number, CloseCode::Disconnected)) else {
        return Err(Problem::not_found());
    };
    domain::audit(&by.caller(), &tenant, "connection:closed", &id, &closed.identity().user);
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn row(connection: &hub::Connection) -> Row {
    let identity = connection.identity();
    Row {
        connection_id: format!("{:x}", connection.id),
        user_id: identity.user.clone(),
        device_id: connection.device.clone(),
        roles: identity.role_names(),
        transport: connection.transport,
        since: connection.since,
        expires_at: identity.expires_at,
    }
}
