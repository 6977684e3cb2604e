//! Whose a request is, and how it reached the server.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use fanfare_proto::{ErrorBody, ErrorCode};

use super::{
    Routes,
    forwarded::Forwarded,
    reached::{Asked, Here, Reached},
};

/// A proxy passed the request on: the connection that it came by is not the client's.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByProxy;

/// Why a request is refused, once it has been charged: whose it is, or what it calls the server, cannot be told. Stands in
/// place of [`Reached`].
#[derive(Debug, Clone)]
pub(super) struct Unreadable(pub(super) ErrorBody);

/// Finds out whose a request is. What follows finds its address as [`ConnectInfo<SocketAddr>`], whatever stands between, and
/// what the client calls the server as [`Reached`], or else [`Unreadable`].
pub(super) async fn resolve(State(routes): State<Routes>, mut request: Request, next: Next) -> Response {
    let config = &routes.services.config;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    let forwarded = peer.map_or(Ok(None), |peer| {
        Forwarded::read(peer.ip(), request.headers(), &config.trusted_proxies, config.forwarded_headers)
    });
    let here = Here { public: config.public_url.as_ref(), tls: routes.tls, port: routes.bound.port() };
    let asked = Asked { version: request.version(), uri: request.uri(), headers: request.headers() };
    let (client, reached) = match forwarded {
        Ok(forwarded) => {
            let reached = Reached::of(here, &asked, forwarded.as_ref());
            (forwarded.and_then(|forwarded| forwarded.client), reached)
        }
        Err(unclear) => (None, Err(ErrorCode::InvalidMessage.with(unclear.to_string()))),
    };
    let mut whose = peer;
    if let (Some(peer), Some(client)) = (peer, client)
        && client != peer.ip()
    {
        let client = SocketAddr::new(client, peer.port());
        whose = Some(client);
        request.extensions_mut().insert(ConnectInfo(client));
        request.extensions_mut().insert(ByProxy);
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());
    match reached {
        Ok(reached) => _ = request.extensions_mut().insert(reached),
        Err(why) => _ = request.extensions_mut().insert(Unreadable(why)),
    }
    let response = next.run(request).await;
    if let (Some(whose), true) = (whose, response.status().is_client_error()) {
        let reason = response.status().canonical_reason().unwrap_or("refused");
        routes.net.refusals.note(
            reason,
            whose.ip(),
            format_args!("{:.16} {:.80}", method.as_str(), uri.path()),
        );
    }
    response
}
