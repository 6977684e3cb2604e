//! How to connect, and the door for WebSockets.

use std::net::SocketAddr;

use axum::{
    Extension, Json,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use fanfare_proto::id;
use serde::Serialize;

use super::{Answer, Routes, address::ByProxy, door, reached::Reached};
use crate::{crowd::Visitor, net::websocket};

/// How to connect. A page pins the certificate by these hashes where it is not signed by an authority.
#[derive(Debug, Serialize)]
struct Transports {
    /// Absent where nothing forwards UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    webtransport: Option<WebTransport>,
    websocket: WebSocket,
}

#[derive(Debug, Serialize)]
struct WebTransport {
    url: String,
    /// SHA-256 of each valid certificate in DER, as hexadecimal digits; empty where an authority vouches.
    certificate_hashes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct WebSocket {
    url: String,
}

/// `GET /api/v1/transport`
pub(super) async fn transport(
    State(routes): State<Routes>,
    Extension(Reached { public, .. }): Extension<Reached>,
) -> Response {
    // Nothing stands between a client and the server's own QUIC, so its certificate is what the client meets.
    let hashes = if routes.identity.is_development() { routes.identity.hashes() } else { Vec::new() };
    let webtransport = routes.webtransport(&public).map(|origin| WebTransport {
        url: format!("{origin}{}", routes.net.path),
        certificate_hashes: hashes.iter().map(|hash| id::hex(hash)).collect(),
    });
    Json(Transports { webtransport, websocket: WebSocket { url: public.websocket("/ws") } }).into_response()
}

/// `GET /ws`
pub(super) async fn upgrade(
    State(routes): State<Routes>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Extension(mut visitor): Extension<Visitor>,
    Extension(reached): Extension<Reached>,
    request: Request,
) -> Answer {
    let (mut parts, _) = request.into_parts();
    if parts.extensions.get::<ByProxy>().is_some() {
        visitor = door::arrive(&routes, client.ip())?;
    }
    Ok(match websocket::upgrade(&mut parts, client, &reached.own, &routes.net) {
        Ok(upgrade) => {
            if routes.upgrades.try_send((upgrade.pending, visitor)).is_ok() {
                upgrade.response
            } else {
                routes.net.refusals.note("busy", client.ip(), "more WebSockets wait than may");
                (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response()
            }
        }
        Err(refusal) => refusal,
    })
}
