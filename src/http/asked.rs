//! What a request holds, read into types that cannot be wrong. A wrong one is told in the API's way.

use axum::{
    body::{Bytes, to_bytes},
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{header, request::Parts},
};
use fanfare_proto::ErrorCode;
use serde::de::DeserializeOwned;

use super::{Answer, Problem};

/// The largest body.
const MAX_BODY: usize = 64 * 1024;

/// A body of JSON.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

/// What stands after `?`. Never a token: those would end up in logs.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

/// The part of the path that names a thing. A name that cannot exist looks like one that does not.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Answer<Self> {
        let too_large = || ErrorCode::MessageTooLarge.with(format!("a body has at most {MAX_BODY} bytes"));
        // Before any of it is read: who asks whether to send it at all (`Expect: 100-continue`) is told not to.
        let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if declared.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > MAX_BODY as u64)
        {
            return Err(too_large().into());
        }
        let body: Bytes = to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| too_large())?;
        // By position is no order that the API has.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(ErrorCode::InvalidMessage.with("an object in JSON is expected").into());
        }
        let wrong = |error: serde_json::Error| {
            let problem: String = error.to_string().chars().take(200).collect();
            ErrorCode::InvalidMessage.with(problem)
        };
        Ok(Self(serde_json::from_slice(&body).map_err(wrong)?))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let query = Query::try_from_uri(&parts.uri);
        let Query(asked) = query.map_err(|error| ErrorCode::InvalidMessage.with(error.body_text()))?;
        Ok(Self(asked))
    }
}

impl<T: DeserializeOwned + Send, S: Sync + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| Problem::not_found())
    }
}
