//! For programs that watch the server.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use fanfare_proto::ErrorCode;

use super::{Problem, Routes};
use crate::{metrics::Metrics, stage::Stages};

/// What is told until the server's end.
const WATCHED: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];

/// `GET /health/live`
pub(super) async fn live() -> &'static str {
    "ok"
}

/// `GET /health/ready`
pub(super) async fn ready(State(routes): State<Routes>) -> Response {
    let not = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    if !routes.stages.borrow().is_ready() {
        return not("not ready".to_owned());
    }
    // Who asks need not know paths of this machine: the log says why.
    match routes.services.store.trouble() {
        Some(_) => not("not ready: nothing can be stored".to_owned()),
        None => "ready".into_response(),
    }
}

/// `GET /metrics`
pub(super) async fn metrics(State(routes): State<Routes>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, TYPE)], Metrics::render(&routes.registry)).into_response()
}

/// A server that is going away answers only those who watch it.
pub(super) async fn turn_away(State(stages): State<Stages>, request: Request, next: Next) -> Response {
    if stages.borrow().lets_in() || WATCHED.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let error = ErrorCode::Unavailable.with("going away").retry_after(1000);
    let mut response = Problem::from(error).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
