//! HTTP: how to connect, health, numbers, the API, the console, and the door for WebSockets. Served by the shard that
//! accepted the socket.

mod connect;
mod console;
mod door;
mod me;
mod problem;
mod table;
mod watch;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::Method,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use self::problem::{Answer, Problem};
pub use self::table::{Needs, Route, table};
use crate::{
    auth::jwt::Verifier,
    domain::Services,
    net::{self, tls::Identity, websocket},
};

/// Where clients learn how to connect.
const TRANSPORT: &str = "/api/v1/transport";

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
    /// What the API's answers are made of.
    pub services: Arc<Services>,
    /// Verifies the tokens of the API's callers.
    pub verifier: Arc<Verifier>,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl Routes {
    /// The router of a shard.
    pub fn router(self) -> Router {
        table::router(&self)
            .method_not_allowed_fallback(|| async { Problem::method() })
            .fallback(other)
            .layer(from_fn_with_state(self.clone(), door::screen))
            .with_state(self)
    }
}

/// Paths without a row: files of the console, or nothing.
async fn other(State(routes): State<Routes>, request: Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        return Problem::not_found().into_response();
    }
    match *request.method() {
        Method::GET | Method::HEAD => console::file(&routes, request.uri(), request.headers()),
        _ => Problem::method().into_response(),
    }
}
