//! HTTP: how to connect, health, numbers, the console, and the door for WebSockets. Served by the shard that accepted the socket.

mod console;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    response::{IntoResponse, Response},
    routing::get,
};
use fanfare_proto::id;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
    metrics::Metrics,
    net::{self, tls::Identity, websocket},
};

/// What the routes of one shard need.
#[derive(Clone)]
pub struct Routes {
    /// What a handshake must fulfil.
    pub net: Arc<net::Config>,
    /// The certificate.
    pub identity: Arc<Identity>,
    /// The UDP port.
    pub udp: u16,
    /// Whether TCP speaks TLS.
    pub tls: bool,
    /// The server's numbers.
    pub registry: Arc<Registry>,
    /// Where requests that become WebSockets go on. Full: the client is asked to come back.
    pub upgrades: mpsc::Sender<websocket::Pending>,
    /// Whether the server takes clients.
    pub ready: Arc<std::sync::atomic::AtomicBool>,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl Routes {
    /// The router of a shard.
    pub fn router(self) -> Router {
        Router::new()
            .route("/ws", get(upgrade))
            .route("/api/v1/transport", get(transport))
            .route("/health/live", get(|| async { "ok" }))
            .route("/health/ready", get(ready))
            .route("/metrics", get(metrics))
            .fallback_service(get(console::file).with_state(self.clone()))
            .with_state(self)
    }
}

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
    fn authority(headers: &HeaderMap) -> Option<Authority> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        host.parse().ok()
    }

    /// Where somebody who calls the server so finds WebTransport.
    fn webtransport(&self, authority: &Authority) -> String {
        // A browser may take `localhost` for ::1, where nobody listens.
        let name = match authority.host() {
            "localhost" if self.identity.is_development() => "127.0.0.1",
            name => name,
        };
        format!("https://{name}:{}", self.udp)
    }
}

async fn transport(State(routes): State<Routes>, headers: HeaderMap) -> Response {
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
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response();
    allow_origin(&routes, &headers, &mut response);
    response
}

/// Lets pages of allowed origins read an answer.
fn allow_origin(routes: &Routes, headers: &HeaderMap, response: &mut Response) {
    response.headers_mut().insert(header::VARY, header::HeaderValue::from_static("origin"));
    let Some(origin) = headers.get(header::ORIGIN) else {
        return;
    };
    if routes.net.origins.allow(Some(origin)) {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}

async fn upgrade(
    State(routes): State<Routes>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    match websocket::upgrade(&mut parts, peer, &routes.net) {
        Ok(upgrade) => match routes.upgrades.try_send(upgrade.pending) {
            Ok(()) => upgrade.response,
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response(),
        },
        Err(refusal) => refusal,
    }
}

async fn ready(State(routes): State<Routes>) -> Response {
    if routes.ready.load(std::sync::atomic::Ordering::Relaxed) {
        "ready".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready").into_response()
    }
}

async fn metrics(State(routes): State<Routes>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, TYPE)], Metrics::render(&routes.registry)).into_response()
}
