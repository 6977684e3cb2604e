//! The way into the API: which pages may ask, who asks, and whether they may. Nothing of a handler runs before.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use fanfare_proto::ErrorCode;

use super::{Answer, Problem, Routes};
use crate::{
    auth::{
        Identity,
        jwt::Refused,
        policy::{self, Action},
    },
    net,
};

/// Paths that this guards. Everything else is for browsers' address lines and for programs that watch.
const API: &str = "/api/";

/// How long a browser may remember that a page is allowed, in seconds.
const REMEMBER: HeaderValue = HeaderValue::from_static("600");

/// Who asks. Only [`enter`] makes it, so a handler that takes it runs for nobody without a token and a right.
#[derive(Debug, Clone)]
pub(super) struct By(pub(super) Arc<Identity>);

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
    mut request: Request,
    next: Next,
) -> Answer {
    let Some(token) = net::bearer(request.headers()) else {
        return Err(ErrorCode::AuthFailed.with("a token is needed: Authorization: Bearer").into());
    };
    let verified = routes.verifier.verify(&token, routes.services.clock.now()).await;
    let identity = verified.map_err(Refused::error)?;
    if !policy::may(&identity, action) {
        return Err(ErrorCode::Unauthorized.with("this is not allowed to you").into());
    }
    request.extensions_mut().insert(By(Arc::new(identity)));
    Ok(next.run(request).await)
}

/// Lets pages of allowed origins ask and read, and no others. Programs send no origin and are not concerned.
pub(super) async fn screen(State(routes): State<Routes>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with(API) {
        return next.run(request).await;
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = routes.net.origins.allow(origin.as_ref());
    let mut response = if is_preflight(&request) {
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
