//! Whose a request is, and how it reached the server.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    Routes,
    forwarded::Forwarded,
    reached::{Asked, Here, Reached},
};

/// A proxy passed the request on: the connection that it came by is not the client's.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByProxy;

/// Finds out whose a request is. What follows finds its address as [`ConnectInfo<SocketAddr>`], whatever stands between, and
/// what the client calls the server as [`Reached`]. Nothing follows where that cannot be told.
pub(super) async fn resolve(State(routes): State<Routes>, mut request: Request, next: Next) -> Response {
    let config = &routes.services.config;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    let forwarded =
        peer.and_then(|peer| Forwarded::read(peer.ip(), request.headers(), &config.trusted_proxies));
    let here = Here { public: config.public_url.as_ref(), tls: routes.tls, port: routes.bound.port() };
    let asked = Asked { version: request.version(), uri: request.uri(), headers: request.headers() };
    let reached = Reached::of(here, &asked, forwarded.as_ref());
    let mut whose = peer;
    let client = forwarded.and_then(|forwarded| forwarded.client);
    if let (Some(peer), Some(client)) = (peer, client)
        && client != peer.ip()
    {
        let client = SocketAddr::new(client, peer.port());
        whose = Some(client);
        request.extensions_mut().insert(ConnectInfo(client));
        request.extensions_mut().insert(ByProxy);
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = match reached {
        Ok(reached) => {
            request.extensions_mut().insert(reached);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    if let (Some(whose), true) = (whose, response.status().is_client_error()) {
        let reason = response.status().canonical_reason().unwrap_or("refused");
        let path: String = uri.path().escape_debug().take(MAX_PATH).collect();
        routes.net.refusals.note(reason, whose.ip(), format_args!("{method} {path}"));
    }
    response
}

/// So much of a path is told.
const MAX_PATH: usize = 80;
