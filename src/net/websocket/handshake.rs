//! From an HTTP request to a WebSocket.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use super::{Incoming, Metered, Socket, Writer, settings};
use crate::net::{
    Config, HandshakeError, Link, Outgoing, Own, Peer, PipeWriter, Transport, listener::Stream, origin,
    part::Part, single,
};

/// The subprotocol. A page that cannot set headers offers `bearer.<token>` beside it.
pub const PROTOCOL: &str = "fanfare";
const BEARER: &str = "bearer.";

/// A request that may become a WebSocket.
#[derive(Debug)]
pub struct Upgrade {
    /// The answer (101). The link comes once it has been sent.
    pub response: Response,
    /// The rest.
    pub pending: Pending,
}

/// A WebSocket whose answer is on its way.
#[derive(Debug)]
pub struct Pending {
    on_upgrade: OnUpgrade,
    peer: Peer,
    max_frame: usize,
    handshake: std::time::Duration,
}

/// Checks a request for a WebSocket. `Err` is the answer to one that gets none.
#[allow(clippy::result_large_err, reason = "both are answers, made once per connection")]
pub fn upgrade(
    parts: &mut Parts,
    address: SocketAddr,
    own: &Own,
    config: &Config,
) -> Result<Upgrade, Response> {
    let headers = &parts.headers;
    if single::twice(headers).is_some() {
        return Err(refusal(StatusCode::BAD_REQUEST, "a header that is one is given twice"));
    }
    let asks = parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && lists(headers, &header::CONNECTION, "upgrade")
        && lists(headers, &header::UPGRADE, "websocket");
    if !asks {
        return Err(refusal(StatusCode::UPGRADE_REQUIRED, "this address speaks WebSocket"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes) != Some(b"13") {
        return Err(refusal(StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 is spoken"));
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes())) else {
        return Err(refusal(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing or wrong"));
    };
    let origin = headers.get(header::ORIGIN);
    if !config.origins.allow(origin, Some(own)) {
        if let Some(origin) = origin {
            config.refusals.note_origin(origin, address.ip());
        }
        return Err(refusal(StatusCode::FORBIDDEN, "this origin may not connect"));
    }
    let Ok(bearer) = token(headers) else {
        return Err(refusal(StatusCode::BAD_REQUEST, "a token is given twice"));
    };
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
        .body(Body::empty())
        .map_err(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, ""))?;
    // Of what was offered only the protocol is selected, never the token.
    if offers(headers).any(|offer| offer == PROTOCOL) {
        let protocol = HeaderValue::from_static(PROTOCOL);
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(refusal(StatusCode::BAD_REQUEST, "this connection cannot be upgraded"));
    };
    let peer = Peer { transport: Transport::WebSocket, address, bearer };
    let pending = Pending { on_upgrade, peer, max_frame: config.max_frame, handshake: config.handshake };
    Ok(Upgrade { response, pending })
}

impl Pending {
    /// Whose it is.
    pub const fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// The link, once the answer has been sent. Must run on the shard whose listener accepted the connection.
    pub async fn link(self) -> Result<Link, HandshakeError> {
        let upgraded = timeout(self.handshake, self.on_upgrade)
            .await
            .map_err(|_| HandshakeError::Timeout)?
            .map_err(|e| HandshakeError::Lost(e.to_string()))?;
        // Taken out of hyper's wrapping, which would cost an allocation and two indirections on every read.
        let parts = upgraded
            .downcast::<TokioIo<Stream>>()
            .map_err(|_| HandshakeError::Protocol("not a connection of this server's listener".to_owned()))?;
        let stream = parts.io.into_inner();
        let socket = WebSocketStream::from_partially_read(
            Metered::new(stream, &parts.read_buf),
            parts.read_buf.into(),
            Role::Server,
            Some(settings(self.max_frame)),
        )
        .await;
        let socket = Socket(Rc::new(RefCell::new(socket)));
        let max_frame = self.max_frame;
        let incoming = Incoming {
            socket: socket.clone(),
            max_frame,
            admitted: false,
            part: Part::new(max_frame),
            ended: None,
        };
        Ok(Link {
            peer: self.peer,
            incoming: crate::net::Incoming::web_socket(incoming),
            outgoing: Outgoing::Pipe(PipeWriter::web_socket(Writer { socket, max_frame })),
        })
    }
}

/// More tokens than one: which of them is meant would be a guess.
struct Several;

/// The token, wherever it stands. An `Authorization` of another scheme is none: a proxy may ask for a password of its own.
fn token(headers: &HeaderMap) -> Result<Option<String>, Several> {
    let scheme = |value: &HeaderValue| {
        let value = value.as_bytes().split(|byte| *byte == b' ').next();
        value.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
    };
    let mut offered = offers(headers).filter_map(|offer| offer.strip_prefix(BEARER));
    let by_header = headers.get_all(header::AUTHORIZATION).iter().filter(|value| scheme(value)).count();
    match (by_header, offered.next(), offered.next()) {
        (0, offered, None) => Ok(offered.map(str::to_owned)),
        (1, None, None) => Ok(origin::bearer(headers)),
        _ => Err(Several),
    }
}

/// Whether a header's comma-separated values have `word` among them.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    values(headers, name).any(|value| value.eq_ignore_ascii_case(word))
}

/// The subprotocols offered.
fn offers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    values(headers, &header::SEC_WEBSOCKET_PROTOCOL)
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Whether it is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let [digits @ .., b'=', b'='] = key else {
        return false;
    };
    digits.len() == 22 && digits.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn refusal(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    if status == StatusCode::UPGRADE_REQUIRED {
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}
