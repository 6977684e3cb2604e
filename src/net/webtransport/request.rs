//! Requests: which of them opens the session, and what the others are told.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use h3::{ext::Protocol, server::RequestStream};
use http::{Method, Request, Response, StatusCode, header};
use tokio::time::timeout;

use super::adapter::Bidi;
use crate::net::{Config, Own, authority::Authority, single};

/// How long an answer may take to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether `request`, on the stream `id`, may open the session; else the status that says why not.
pub(super) fn judge(
    request: &Request<()>,
    id: u64,
    address: IpAddr,
    config: &Config,
) -> Result<(), StatusCode> {
    if request.method() != Method::CONNECT {
        return Err(StatusCode::NOT_FOUND);
    }
    if request.extensions().get::<Protocol>() != Some(&Protocol::WEB_TRANSPORT) {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    if request.uri().path() != config.path {
        return Err(StatusCode::NOT_FOUND);
    }
    if single::twice(request.headers()).is_some() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let authority = request.uri().authority().and_then(|authority| Authority::parse(authority.as_str()));
    let Some(Authority { host, port }) = authority else {
        return Err(StatusCode::BAD_REQUEST);
    };
    let own = Own::new(host, port.unwrap_or(443), config.vouched);
    let origin = request.headers().get(header::ORIGIN);
    if !config.origins.allow(origin, Some(&own)) {
        if let Some(origin) = origin {
            config.refusals.note_origin(origin, address);
        }
        return Err(StatusCode::FORBIDDEN);
    }
    // Datagrams and streams name their session by this id, and are prefixed for 0 once for all receivers.
    if id != 0 {
        return Err(StatusCode::TOO_MANY_REQUESTS);
    }
    Ok(())
}

/// What a request on a connection that has its session is told.
pub(super) fn afterwards(request: &Request<()>) -> StatusCode {
    if request.method() == Method::CONNECT { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::NOT_FOUND }
}

/// Answers a request that opens no session. What becomes of the answer changes nothing.
pub(super) async fn answer(mut stream: RequestStream<Bidi, Bytes>, status: StatusCode) {
    let text = Bytes::from(format!("{status}: this port speaks WebTransport\n"));
    let mut response = Response::new(());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    let write = async {
        stream.send_response(response).await?;
        stream.send_data(text).await?;
        stream.finish().await
    };
    let _ = timeout(PATIENCE, write).await;
    // Of a body nothing is read.
    stream.stop_sending(h3::error::Code::H3_NO_ERROR);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::net::Origins;

    fn connect(path: &str, origin: Option<&str>) -> Request<()> {
        let mut builder = Request::builder().method(Method::CONNECT).uri(format!("https://a.example{path}"));
        if let Some(origin) = origin {
            builder = builder.header("origin", origin);
        }
        builder.extension(Protocol::WEB_TRANSPORT).body(()).unwrap()
    }

    #[test]
    fn only_a_connect_to_the_path_from_an_allowed_page_opens_a_session() {
        let origins = Origins::parse(["https://a.example"]).unwrap();
        let config = Config { origins, ..Config::default() };
        let address = Ipv4Addr::LOCALHOST.into();
        let judge = |request: &Request<()>, id| judge(request, id, address, &config).map_err(|s| s.as_u16());
        assert_eq!(judge(&connect("/wt", None), 0), Ok(()));
        assert_eq!(judge(&connect("/wt?v=1", Some("https://a.example")), 0), Ok(()));
        assert_eq!(judge(&connect("/wt", Some("https://b.example")), 0), Err(403));
        assert_eq!(judge(&connect("/", None), 0), Err(404));
        assert_eq!(judge(&connect("/wt", None), 4), Err(429));
        for name in ["origin", "host", "authorization"] {
            let mut twice = connect("/wt", None);
            let value = http::HeaderValue::from_static("https://a.example");
            twice.headers_mut().append(name, value.clone());
            twice.headers_mut().append(name, value);
            assert_eq!(judge(&twice, 0), Err(400), "{name}");
        }
        let mut other = connect("/wt", None);
        other.extensions_mut().clear();
        assert_eq!(judge(&other, 0), Err(501));
        *other.method_mut() = Method::GET;
        assert_eq!(judge(&other, 0), Err(404));
    }
}
