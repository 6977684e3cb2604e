//! The way into the API: which pages may ask, who asks, and whether they may. Nothing of a handler runs before.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use fanfare_proto::{CloseCode, ErrorCode, OrgId};

use super::{Answer, Problem, Routes, address::Unreadable, reached::Reached};
use crate::{
    auth::{
        Identity,
        policy::{self, Action},
    },
    crowd::{Cost, Turned, Visitor},
    domain::{Caller, revocation},
    id::Tenant,
    metrics::Label,
    net,
};

/// Paths that this guards. Everything else is for browsers' address lines and for programs that watch.
const API: &str = "/api/";

/// How long a browser may remember that a page is allowed, in seconds.
const REMEMBER: HeaderValue = HeaderValue::from_static("600");

/// Who asks. Only [`enter`] makes it, so a handler that takes it runs for nobody without a token and a right.
#[derive(Debug, Clone)]
pub(super) struct By(pub(super) Arc<Identity>);

impl By {
    /// The caller, as domains know one.
    pub(super) fn caller(&self) -> Caller<'_> {
        Caller { identity: &self.0, source: 0 }
    }

    /// The organisation that the request is about: the caller's own, unless it names another and may.
    pub(super) fn tenant(&self, action: Action, named: Option<&OrgId>) -> Answer<Tenant> {
        let own_only = || ErrorCode::Unauthorized.with("this is not allowed to you").into();
        policy::tenant(&self.0, action, named).ok_or_else(own_only)
    }
}

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        // The route's row asks for no right: nobody's.
        let nobody = || ErrorCode::InternalError.with("internal error").into();
        parts.extensions.get::<Self>().cloned().ok_or_else(nobody)
    }
}

/// Lets in who has a good token and the route's right.
pub(super) async fn enter(
    State((routes, action)): State<(Routes, Action)>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Answer {
    let Some(token) = net::bearer(request.headers()) else {
        return Err(ErrorCode::AuthFailed.with("a token is needed: Authorization: Bearer").into());
    };
    let services = &*routes.services;
    let now = services.clock.elapsed();
    services.crowd.may_try(client.ip(), now).map_err(|turned| turned_away(&routes, client.ip(), turned))?;
    let admitted = revocation::admit(services, &routes.verifier, &token, None).await;
    let identity = admitted.map_err(|refused| {
        if refused.close() == CloseCode::AuthFailed {
            services.crowd.failed(client.ip(), now);
        }
        refused.error()
    })?;
    // The same share as on connections: whoever asks here as well does not get more.
    let spent = services.crowd.spend(identity.org.org(), &identity.user, Cost::Message, now);
    spent.map_err(|excess| ErrorCode::RateLimitExceeded.with(excess.what).retry_after(excess.wait_ms))?;
    if !policy::may(&identity, action) {
        return Err(ErrorCode::Unauthorized.with("this is not allowed to you").into());
    }
    request.extensions_mut().insert(By(Arc::new(identity)));
    Ok(next.run(request).await)
}

/// Somebody comes by a proxy.
pub(super) fn arrive(routes: &Routes, address: IpAddr) -> Answer<Visitor> {
    let services = &routes.services;
    let arrived = services.crowd.arrive(address, services.clock.elapsed());
    arrived.map_err(|turned| turned_away(routes, address, turned))
}

fn turned_away(routes: &Routes, address: IpAddr, turned: Turned) -> Problem {
    routes.services.metrics.turned_away.get_or_create(&Label::of(turned.kind())).inc();
    routes.net.refusals.note(turned.kind(), address, turned);
    ErrorCode::RateLimitExceeded.with(turned.to_string()).retry_after(turned.retry_after_ms()).into()
}

/// Charges a request to its address, whoever asks: one connection may bring any number. One that is too many costs its
/// sender the connection, and the next one an attempt; so does one that cannot be read.
fn charge(routes: &Routes, client: SocketAddr) -> Answer<()> {
    let services = &routes.services;
    let charged = services.crowd.ask(client.ip(), services.clock.elapsed());
    charged.map_err(|turned| turned_away(routes, client.ip(), turned))
}

fn closing(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Lets pages of allowed origins ask and read, and no others. Programs send no origin and are not concerned. An address
/// that asks too often is told so, in words that a page of an allowed origin can read.
pub(super) async fn screen(
    State(routes): State<Routes>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let mut charged = charge(&routes, client);
    if let (Ok(()), Some(Unreadable(why))) = (&charged, request.extensions().get()) {
        charged = Err(why.clone().into());
    }
    if !request.uri().path().starts_with(API) {
        return match charged {
            Ok(()) => next.run(request).await,
            Err(problem) => closing(problem),
        };
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let own = request.extensions().get::<Reached>().map(|reached| &reached.own);
    let allowed = routes.net.origins.allow(origin.as_ref(), own);
    if let (Some(origin), false) = (&origin, allowed) {
        routes.net.refusals.note_origin(origin, client.ip());
    }
    let mut response = if let Err(problem) = charged {
        closing(problem)
    } else if is_preflight(&request) {
        preflight(allowed)
    } else if allowed || request.uri().path() == super::TRANSPORT {
        next.run(request).await
    } else {
        Problem::from(ErrorCode::Unauthorized.with("this origin may not ask")).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let (Some(origin), true) = (origin, allowed) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let readable = HeaderValue::from_static("retry-after");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    }
    response
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What a browser wants to know before it asks for a page. Never whether a route exists.
fn preflight(allowed: bool) -> Response {
    if !allowed {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut headers = HeaderMap::new();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBER);
    (StatusCode::NO_CONTENT, headers).into_response()
}
