//! An accepted session, apart from its data: requests that come later on the connection, and the session's end.

use std::time::Duration;

use bytes::Bytes;
use h3::error::StreamError;
use h3_webtransport::server::{AcceptedBi, WebTransportSession};
use tokio::{sync::oneshot, time::sleep};

use super::{
    adapter::{Connection, Raw},
    capsule::{CapsuleReader, Close, Malformed},
    code,
    outgoing::READ_PATIENCE,
    request,
    rules::Broken,
};
use crate::net::Ended;

/// Requests answered on one connection besides the session's.
pub(super) const MAX_REQUESTS: usize = 64;
/// How long what came before the end may wait to be read.
const LINGER: Duration = Duration::from_secs(1);

pub(super) type Session = WebTransportSession<Connection, Bytes>;

/// Watches over `session` until it ends, says why, and closes the QUIC connection: a browser leaves it open when a
/// page closes its session or goes away.
pub(super) async fn watch(
    session: Box<Session>,
    connect: Raw,
    quic: quinn::Connection,
    end: oneshot::Sender<Ended>,
) {
    let ended = tokio::select! {
        biased;
        ended = closed_by_peer(&connect, &quic) => ended,
        error = quic.closed() => lost(&error),
        ended = serve_requests(&session) => ended,
    };
    tracing::trace!(?ended, "session ended");
    if let Some(send) = connect.send.borrow_mut().as_mut() {
        let _ = send.finish();
    }
    // Where nobody listens any more, we have closed, and this was the answer.
    sleep(if end.send(ended).is_ok() { LINGER } else { READ_PATIENCE }).await;
    quic.close(code::NO_ERROR, b"");
}

/// What a lost connection means to the link.
pub(super) fn lost(error: &quinn::ConnectionError) -> Ended {
    match error {
        // Without a capsule: a process that ended, or a client that knows no better.
        quinn::ConnectionError::ApplicationClosed(_) => Ended::Closed { code: 0, reason: String::new() },
        quinn::ConnectionError::TransportError(error) => Ended::Violation(error.to_string()),
        other => Ended::Lost(other.to_string()),
    }
}

/// Reads the CONNECT stream until it closes the session, in whichever way.
async fn closed_by_peer(connect: &Raw, quic: &quinn::Connection) -> Ended {
    let Some(mut recv) = connect.recv.borrow_mut().take() else {
        return Ended::Lost("the session's stream is gone".to_owned());
    };
    let mut capsules = CapsuleReader::default();
    let mut next = Ok(Some(connect.rest.clone()));
    loop {
        match next {
            Ok(Some(bytes)) => match capsules.push(&bytes) {
                Ok(None) => {}
                Ok(Some(Close { code, reason })) => return Ended::Closed { code, reason },
                Err(malformed) => return refuse(malformed, recv, connect, quic),
            },
            Ok(None) => match capsules.end() {
                Ok(()) => return Ended::Closed { code: 0, reason: String::new() },
                Err(malformed) => return refuse(malformed, recv, connect, quic),
            },
            Err(quinn::ReadError::ConnectionLost(error)) => return lost(&error),
            Err(_) => return Ended::Closed { code: 0, reason: String::new() },
        }
        next = recv.read_chunk(CHUNK, true).await.map(|chunk| chunk.map(|chunk| chunk.bytes));
    }
}

/// Ends what cannot be read: for a frame the connection, for a capsule the stream, and the session with it.
fn refuse(
    malformed: Malformed,
    mut recv: quinn::RecvStream,
    connect: &Raw,
    quic: &quinn::Connection,
) -> Ended {
    let what = match malformed {
        Malformed::Frame(Broken(code, what)) => {
            quic.close(code, what.as_bytes());
            what
        }
        Malformed::Capsule(what) => {
            // Where the stream has ended there is nothing to be stopped.
            let _ = recv.stop(code::MESSAGE_ERROR);
            if let Some(send) = connect.send.borrow_mut().as_mut() {
                let _ = send.reset(code::MESSAGE_ERROR);
            }
            what
        }
    };
    Ended::Violation(what.to_owned())
}

const CHUNK: usize = 4 * 1024;

/// Answers what else is asked on the connection, and keeps `h3` going.
async fn serve_requests(session: &Session) -> Ended {
    for _ in 0..MAX_REQUESTS {
        match session.accept_bi().await {
            Ok(Some(AcceptedBi::Request(request, stream))) => {
                // Rare, and large: in a box it costs no memory while it does not happen.
                Box::pin(request::answer(stream, request::afterwards(&request))).await;
            }
            Err(StreamError::ConnectionError(error)) => return Ended::Violation(error.to_string()),
            // A request that broke off; session streams are routed past `h3`.
            Ok(Some(AcceptedBi::BidiStream(..)) | None) | Err(_) => {}
        }
    }
    Ended::Violation("too many requests beside the session".to_owned())
}
