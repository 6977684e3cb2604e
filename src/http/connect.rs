//! How to connect, and the door for WebSockets.

use std::net::SocketAddr;

use axum::{
    Extension, Json,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    response::{IntoResponse, Response},
};
use fanfare_proto::id;
use serde::Serialize;

use super::{Answer, Routes, address::ByProxy, door};
use crate::{crowd::Visitor, net::websocket};

/// How to connect. A page pins the certificate by these hashes where it is not signed by an authority.
#[derive(Debug, Serialize)]
struct Transports {
    webtransport: WebTransport,
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

impl Routes {
    /// What the client calls this server.
    pub(super) fn authority(headers: &HeaderMap) -> Option<Authority> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        host.parse().ok()
    }

    /// Where somebody who calls the server so finds WebTransport.
    pub(super) fn webtransport(&self, authority: &Authority) -> String {
        // A browser may take `localhost` for ::1, where nobody listens.
        let name = match authority.host() {
            "localhost" if self.identity.is_development() => "127.0.0.1",
            name => name,
        };
        format!("https://{name}:{}", self.udp)
    }
}

pub(super) async fn transport(State(routes): State<Routes>, headers: HeaderMap) -> Response {
    let Some(authority) = Routes::authority(&headers) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let hashes = if routes.identity.is_development() { routes.identity.hashes() } else { Vec::new() };
    let scheme = if routes.tls { "wss" } else { "ws" };
    let told = Transports {
        webtransport: WebTransport {
            url: format!("{}{}", routes.webtransport(&authority), routes.net.path),
            certificate_hashes: hashes.iter().map(|hash| id::hex(hash)).collect(),
        },
        websocket: WebSocket { url: format!("{scheme}://{authority}/ws") },
    };
    Json(told).into_response()
}

/// `GET /ws`
pub(super) async fn upgrade(
    State(routes): State<Routes>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Extension(mut visitor): Extension<Visitor>,
    request: Request,
) -> Answer {
    let (mut parts, _) = request.into_parts();
    if parts.extensions.get::<ByProxy>().is_some() {
        visitor = door::arrive(&routes.services, client.ip())?;
    }
    Ok(match websocket::upgrade(&mut parts, client, &routes.net) {
        Ok(upgrade) => match routes.upgrades.try_send((upgrade.pending, visitor)) {
            Ok(()) => upgrade.response,
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response(),
        },
        Err(refusal) => refusal,
    })
}
