//! For programs that watch the server.

use std::sync::atomic::Ordering;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::Routes;
use crate::metrics::Metrics;

/// `GET /health/live`
pub(super) async fn live() -> &'static str {
    "ok"
}

/// `GET /health/ready`
pub(super) async fn ready(State(routes): State<Routes>) -> Response {
    if routes.ready.load(Ordering::Relaxed) {
        "ready".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready").into_response()
    }
}

/// `GET /metrics`
pub(super) async fn metrics(State(routes): State<Routes>) -> Response {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, TYPE)], Metrics::render(&routes.registry)).into_response()
}
