//! WebTransport over HTTP/3.
//!
//! `h3` and `h3-webtransport` do the handshake, over an adapter of our own ([`adapter`]) and streams sorted before they
//! see them ([`router`]). After it all data goes straight through quinn: streams with priorities, datagrams whose bytes
//! many connections share, and capsules, none of which the two crates offer.

mod adapter;
mod capsule;
mod code;
mod endpoint;
mod head;
mod incoming;
mod outgoing;
mod pseudo;
mod queue;
mod request;
mod router;
mod rules;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod varint;

use std::rc::Rc;

use fanfare_proto::Lane;
use h3_webtransport::server::WebTransportSession;
use http::StatusCode;
use tokio::{sync::oneshot, time::timeout};

pub use endpoint::Tuning;
pub(in crate::net) use incoming::Incoming;
pub use outgoing::{Closer, Datagrams, StreamWriter};

use super::{Config, HandshakeError, Link, Outgoing, Peer, Transport, origin, task::AbortOnDrop};

/// Largest header section accepted, decoded.
const MAX_FIELDS: u64 = 16 * 1024;

/// Accepts a QUIC connection on this shard, and a WebTransport session on it. Everything else asked of the connection
/// is answered as HTTP/3 asks. Must run within a `LocalSet`.
///
/// `may_stay` is asked once, when QUIC's own handshake has proven the peer's address, whatever comes of the rest.
pub async fn accept(
    incoming: quinn::Incoming,
    config: &Config,
    may_stay: impl FnOnce() -> bool,
) -> Result<Link, HandshakeError> {
    let mut opened = None;
    // In a box, so that the caller's future, which lives as long as the connection, is not of this one's size.
    let handshake = Box::pin(async {
        let quic = incoming.accept().map_err(|e| HandshakeError::Lost(e.to_string()))?;
        let quic = quic.await.map_err(|e| unmade(&e))?;
        let quic = opened.insert(quic).clone();
        if !may_stay() {
            return Err(HandshakeError::TurnedAway);
        }
        open(quic, config).await
    });
    let result = timeout(config.handshake, handshake).await.unwrap_or(Err(HandshakeError::Timeout));
    if let (Err(_), Some(quic)) = (&result, opened) {
        quic.close(code::NO_ERROR, b"");
    }
    result
}

/// Why QUIC did not come about: errors of TLS have codes of their own (RFC 9001, section 4.8).
fn unmade(error: &quinn::ConnectionError) -> HandshakeError {
    use quinn::ConnectionError::{ConnectionClosed, TransportError};
    let code = match error {
        TransportError(error) => u64::from(error.code),
        ConnectionClosed(close) => u64::from(close.error_code),
        _ => 0,
    };
    let text = error.to_string();
    if (0x100..0x200).contains(&code) { HandshakeError::Tls(text) } else { HandshakeError::Lost(text) }
}

/// The handshake of HTTP/3 and WebTransport.
async fn open(quic: quinn::Connection, config: &Config) -> Result<Link, HandshakeError> {
    let address = quic.remote_address();
    let (routes, run) = router::start(quic.clone());
    let router = AbortOnDrop::spawn_local(run);

    // Popped from the end; the oldest becomes the control stream, which some peers expect first.
    let mut own = Vec::with_capacity(adapter::OWN_STREAMS);
    for _ in 0..adapter::OWN_STREAMS {
        own.push(quic.open_uni().await.map_err(|e| HandshakeError::Lost(e.to_string()))?);
    }
    own.reverse();
    let adapter = adapter::Connection::new(quic.clone(), own, routes.http, routes.requests);
    let mut h3 = h3::server::builder()
        .enable_webtransport(true)
        .enable_extended_connect(true)
        .enable_datagram(true)
        .max_webtransport_sessions(1)
        .max_field_section_size(MAX_FIELDS)
        .send_grease(false)
        .build(adapter)
        .await
        .map_err(|e| HandshakeError::Protocol(e.to_string()))?;
    let shared = h3.inner.shared.clone();
    h3.inner.conn.watch(shared);

    let mut refused = None;
    for _ in 0..session::MAX_REQUESTS {
        let resolver = match h3.accept().await {
            Ok(Some(resolver)) => resolver,
            // A client that was refused leaves.
            Ok(None) | Err(_) if refused.is_some() => break,
            Ok(None) => return Err(HandshakeError::Lost("the peer went away".to_owned())),
            Err(error) => return Err(HandshakeError::Protocol(error.to_string())),
        };
        let Some(connect) = h3.inner.conn.newest() else {
            continue;
        };
        // A broken request ends that request; a broken connection shows at the next accept.
        let Ok((request, stream)) = resolver.resolve_request().await else {
            continue;
        };
        if let Err(status) = request::judge(&request, connect.id, address.ip(), config) {
            refused = Some(status);
            request::answer(stream, status).await;
            continue;
        }
        let bearer = origin::bearer(request.headers());
        let session = WebTransportSession::accept(request, stream, h3)
            .await
            .map_err(|e| HandshakeError::Protocol(e.to_string()))?;

        let urgent = lane(&quic, Lane::Urgent).await?;
        let ordered = lane(&quic, Lane::Ordered).await?;
        let (end_tx, end) = oneshot::channel();
        let watch = AbortOnDrop::spawn_local(session::watch(
            Box::new(session),
            connect.clone(),
            quic.clone(),
            end_tx,
        ));
        let guard = Rc::new(Guard { quic: quic.clone(), _router: router, _watch: watch });
        let incoming = Incoming::new(quic.clone(), routes.session, config.max_frame, end, Rc::clone(&guard));
        return Ok(Link {
            peer: Peer { transport: Transport::WebTransport, address, bearer },
            incoming: super::Incoming::web_transport(incoming),
            outgoing: Outgoing::Lanes {
                urgent,
                ordered,
                datagrams: Datagrams::new(quic.clone()),
                closer: Closer::new(quic, connect, guard),
            },
        });
    }
    Err(HandshakeError::Refused(refused.unwrap_or(StatusCode::TOO_MANY_REQUESTS)))
}

async fn lane(quic: &quinn::Connection, lane: Lane) -> Result<StreamWriter, HandshakeError> {
    StreamWriter::open(quic, lane).await.map_err(|e| HandshakeError::Lost(e.to_string()))
}

/// Ends the connection and its helper tasks with the last part of the link that needs them.
#[derive(Debug)]
struct Guard {
    quic: quinn::Connection,
    _router: AbortOnDrop,
    _watch: AbortOnDrop,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.quic.close(code::NO_ERROR, b"");
    }
}
