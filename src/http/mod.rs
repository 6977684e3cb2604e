//! HTTP: how to connect, health, numbers, the API, the console, and the door for WebSockets. Served by the shard that
//! accepted the socket.

mod address;
mod asked;
mod connect;
mod connections;
mod console;
mod door;
mod forwarded;
mod map;
mod me;
mod problem;
mod reached;
mod revocations;
mod table;
mod watch;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use prometheus_client::registry::Registry;
use tokio::{sync::mpsc, time::timeout};

use self::problem::{Answer, Problem};
pub use self::table::{Needs, Route, table};
use crate::{
    auth::jwt::Verifier,
    crowd::Visitor,
    domain::Services,
    net::{self, tls::Identity, websocket},
    stage::Stages,
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
    /// The address that is listened on, by TCP and UDP.
    pub bound: SocketAddr,
    /// Whether TCP speaks TLS.
    pub tls: bool,
    /// The server's numbers.
    pub registry: Arc<Registry>,
    /// Where requests that become WebSockets go on. Full: the client is asked to come back.
    pub upgrades: mpsc::Sender<(websocket::Pending, Visitor)>,
    /// Whether the server takes clients.
    pub stages: Stages,
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
            .layer(from_fn_with_state(self.stages.clone(), watch::turn_away))
            .layer(from_fn_with_state(self.clone(), door::screen))
            .layer(from_fn_with_state(self.clone(), address::resolve))
            .layer(from_fn_with_state(self.clone(), in_time))
            .with_state(self)
    }
}

/// A request takes only so long, its body included.
async fn in_time(State(routes): State<Routes>, request: Request, next: Next) -> Response {
    let patience = Duration::from_millis(routes.services.config.session.request_timeout_ms);
    timeout(patience, next.run(request))
        .await
        .unwrap_or_else(|_| (StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")]).into_response())
}

/// Paths without a row: files of the console, or nothing.
async fn other(State(routes): State<Routes>, request: Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        return Problem::not_found().into_response();
    }
    match *request.method() {
        Method::GET | Method::HEAD => console::file(&routes, &request),
        _ => Problem::method().into_response(),
    }
}
