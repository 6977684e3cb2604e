//! What a refused request is told: `{"code", "message", "retry_after_ms"}`, the same as on a connection, with the status
//! that says it to programs that know HTTP alone.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fanfare_proto::{ErrorBody, ErrorCode};

/// An answer to a request that was not done.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: ErrorBody,
}

/// What a handler answers.
pub(super) type Answer<T = Response> = Result<T, Problem>;

impl Problem {
    /// No such route, or a thing that does not exist or is not the caller's to see: all look the same.
    pub(super) fn not_found() -> Self {
        ErrorCode::RoomNotFound.with("no such thing").into()
    }

    /// The route exists, for other methods.
    pub(super) fn method() -> Self {
        let error = ErrorCode::InvalidMessage.with("not with this method");
        Self { status: StatusCode::METHOD_NOT_ALLOWED, error }
    }
}

impl From<ErrorBody> for Problem {
    fn from(error: ErrorBody) -> Self {
        Self { status: status(error.code), error }
    }
}

/// The status of each code.
const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::AuthFailed | ErrorCode::TokenExpired | ErrorCode::TokenNotYetValid => {
            StatusCode::UNAUTHORIZED
        }
        ErrorCode::Unauthorized => StatusCode::FORBIDDEN,
        ErrorCode::InvalidMessage | ErrorCode::SubscriptionFailed => StatusCode::BAD_REQUEST,
        ErrorCode::RoomNotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict | ErrorCode::RoomFull => StatusCode::CONFLICT,
        ErrorCode::MessageTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::ConnectionLimit | ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        let retry = error.retry_after_ms.map(|ms| HeaderValue::from(ms.div_ceil(1000)));
        let mut response = (status, Json(error)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
