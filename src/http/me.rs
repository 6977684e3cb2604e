//! `/api/v1/me`: who the bearer of a token is to this server.

use axum::Json;
use fanfare_proto::{DepartmentId, OrgId, TeamId, UnixMs, UserId};
use serde::Serialize;

use super::door::By;

/// What a token says, and what that allows here.
#[derive(Debug, Serialize)]
pub(super) struct Me {
    user_id: UserId,
    organization_id: OrgId,
    roles: Vec<String>,
    may: Vec<&'static str>,
    departments: Vec<DepartmentId>,
    teams: Vec<TeamId>,
    expires_at: UnixMs,
}

/// `GET /api/v1/me`
pub(super) async fn who(By(identity): By) -> Json<Me> {
    Json(Me {
        user_id: identity.user.clone(),
        organization_id: identity.org.org().clone(),
        roles: identity.role_names(),
        may: identity.actions(),
        departments: identity.units.departments().to_vec(),
        teams: identity.units.teams().to_vec(),
        expires_at: identity.expires_at,
    })
}
