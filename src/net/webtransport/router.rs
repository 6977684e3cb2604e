//! Takes every stream that the peer opens, and hands it to whom it belongs: HTTP/3's own and requests to `h3`, streams
//! of the session to the link. `h3` sees no session streams, because it loses or delays some of them.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    future::Future,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::FuturesUnordered};
use quinn::{RecvStream, SendStream, VarInt};
use tokio::time::timeout;

use super::{
    code,
    head::{self, Bidi, MAX_HEAD, Uni},
    pseudo, queue,
    rules::{self, Broken, Qpack},
};

/// What becomes of a connection's streams, each of which comes and is sorted. A session needs a dozen.
const MAX_STREAMS: usize = 2048;
/// Client streams that a session may open: one for commands, one for urgent commands.
const SESSION_STREAMS: usize = 2;
/// How long a stream may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests waiting for `h3`.
const REQUESTS: usize = 16;

/// A stream of the session, past its header.
#[derive(Debug)]
pub(super) struct SessionStream {
    pub(super) recv: RecvStream,
    /// Its first bytes, already received.
    pub(super) start: Bytes,
}

/// A request whose header fields are complete.
#[derive(Debug)]
pub(super) struct Request {
    /// The bytes up to the end of the header fields.
    pub(super) head: Bytes,
    /// Bytes after them, already received.
    pub(super) rest: Bytes,
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
}

/// One of HTTP/3's own streams.
#[derive(Debug)]
pub(super) struct HttpStream {
    pub(super) recv: RecvStream,
    /// All its bytes received so far, the type included.
    pub(super) start: Bytes,
    /// Where in them its content begins.
    pub(super) content: usize,
}

/// Where the streams come out.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) session: queue::Receiver<SessionStream>,
    pub(super) requests: queue::Receiver<Request>,
    pub(super) http: queue::Receiver<HttpStream>,
}

/// Begins to route `connection`. The future ends with the connection.
pub(super) fn start(connection: quinn::Connection) -> (Routes, impl Future<Output = ()>) {
    let (session_tx, session) = queue::bounded(SESSION_STREAMS);
    let (requests_tx, requests) = queue::bounded(REQUESTS);
    // Control and two of QPACK's; `h3` closes the connection when one comes twice.
    let (http_tx, http) = queue::bounded(8);
    let router = Router {
        connection,
        session: Some(session_tx),
        left: SESSION_STREAMS,
        requests: requests_tx,
        http: http_tx,
        unsorted: BTreeSet::new(),
        sorted: BTreeMap::new(),
    };
    (Routes { session, requests, http }, router.run())
}

struct Router {
    connection: quinn::Connection,
    session: Option<queue::Sender<SessionStream>>,
    left: usize,
    requests: queue::Sender<Request>,
    http: queue::Sender<HttpStream>,
    /// Streams that have not said yet what they are.
    unsorted: BTreeSet<u64>,
    /// Streams of the session opened after one of those.
    sorted: BTreeMap<u64, (SessionStream, SendStream)>,
}

impl Router {
    async fn run(mut self) {
        // Both sets are bounded by the streams that the transport configuration permits.
        let mut bidis = FuturesUnordered::new();
        let mut unis = FuturesUnordered::new();
        let mut qpack = FuturesUnordered::new();
        let mut kinds = HashSet::new();
        for _ in 0..MAX_STREAMS {
            tokio::select! {
                stream = self.connection.accept_bi() => match stream {
                    Ok((send, recv)) => {
                        let index = send.id().index();
                        self.unsorted.insert(index);
                        let sorted = timeout(PATIENCE, sort_bidi(send, recv));
                        bidis.push(async move { (index, sorted.await.unwrap_or(Sorted::Nothing)) });
                    }
                    Err(_) => return,
                },
                stream = self.connection.accept_uni() => match stream {
                    Ok(recv) => unis.push(timeout(PATIENCE, sort_uni(recv))),
                    Err(_) => return,
                },
                Some((index, sorted)) = bidis.next() => self.hand_on(index, sorted),
                Some(sorted) = unis.next() => match sorted.unwrap_or(SortedUni::Nothing) {
                    SortedUni::Control(stream) => drop(self.http.try_send(stream)),
                    SortedUni::Qpack(kind, start, recv) if kinds.insert(std::mem::discriminant(&kind)) => {
                        qpack.push(rules::watch(kind, start, recv));
                    }
                    SortedUni::Qpack(..) | SortedUni::Invalid => {
                        self.connection.close(code::STREAM_CREATION_ERROR, b"");
                    }
                    SortedUni::Nothing => {}
                },
                Some(broken) = qpack.next() => if let Some(Broken(code, why)) = broken {
                    self.connection.close(code, why.as_bytes());
                },
            }
        }
        self.connection.close(code::EXCESSIVE_LOAD, b"too many streams");
    }

    fn hand_on(&mut self, index: u64, sorted: Sorted) {
        self.unsorted.remove(&index);
        match sorted {
            Sorted::Session(stream, send) => {
                self.sorted.insert(index, (stream, send));
            }
            Sorted::Request(request) => {
                if let Err(refused) = self.requests.try_send(request) {
                    refuse(refused, code::REQUEST_REJECTED);
                }
            }
            Sorted::Invalid => self.connection.close(code::FRAME_UNEXPECTED, b""),
            Sorted::Nothing => {}
        }
        // In the order opened, also where packets overtake each other: a session's first stream is its ordered one.
        while let Some(next) = self.sorted.first_entry()
            && self.unsorted.first().is_none_or(|unsorted| next.key() < unsorted)
        {
            let (stream, send) = next.remove();
            self.session_stream(stream, send);
        }
    }

    /// Passes the first two on and refuses all others. The server answers on streams of its own, so its half of this
    /// one ends at once.
    fn session_stream(&mut self, mut stream: SessionStream, mut send: SendStream) {
        let taken = match &self.session {
            Some(session) if self.left > 0 => session.try_send(stream),
            _ => Err(stream),
        };
        match taken {
            Ok(()) => {
                self.left -= 1;
                let _ = send.finish();
            }
            Err(refused) => {
                stream = refused;
                self.session = None;
                let _ = stream.recv.stop(code::STREAM_REJECTED);
                let _ = send.reset(code::STREAM_REJECTED);
            }
        }
    }
}

/// What a bidirectional stream turned out to be.
enum Sorted {
    Session(SessionStream, SendStream),
    Request(Request),
    /// It broke HTTP/3's rules, which ends the connection.
    Invalid,
    /// It is of no use, and has been dealt with.
    Nothing,
}

async fn sort_bidi(mut send: SendStream, mut recv: RecvStream) -> Sorted {
    let mut start = BytesMut::new();
    loop {
        match head::bidi(&start) {
            Bidi::Unknown => {}
            Bidi::Session { id: 0, length } => {
                let start = start.split_off(length).freeze();
                return Sorted::Session(SessionStream { recv, start }, send);
            }
            Bidi::Session { .. } => {
                let _ = recv.stop(code::STREAM_REJECTED);
                let _ = send.reset(code::STREAM_REJECTED);
                return Sorted::Nothing;
            }
            Bidi::Request { length } if pseudo::malformed(&start[..length]) => {
                let _ = recv.stop(code::MESSAGE_ERROR);
                let _ = send.reset(code::MESSAGE_ERROR);
                return Sorted::Nothing;
            }
            Bidi::Request { length } => {
                let rest = start.split_off(length).freeze();
                return Sorted::Request(Request { head: start.freeze(), rest, send, recv });
            }
            Bidi::TooLarge => {
                let _ = recv.stop(code::EXCESSIVE_LOAD);
                let _ = send.reset(code::EXCESSIVE_LOAD);
                return Sorted::Nothing;
            }
            Bidi::Invalid => return Sorted::Invalid,
        }
        let Ok(Some(chunk)) = recv.read_chunk(MAX_HEAD, true).await else {
            let _ = send.reset(code::REQUEST_INCOMPLETE);
            return Sorted::Nothing;
        };
        start.extend_from_slice(&chunk.bytes);
    }
}

/// What a unidirectional stream turned out to be.
enum SortedUni {
    /// The control stream.
    Control(HttpStream),
    /// One of QPACK's, from behind its type on.
    Qpack(Qpack, Bytes, RecvStream),
    /// A client opens none such, which ends the connection.
    Invalid,
    /// It is of no use, and has been dealt with.
    Nothing,
}

async fn sort_uni(mut recv: RecvStream) -> SortedUni {
    let mut start = BytesMut::new();
    loop {
        match head::uni(&start) {
            Uni::Unknown => {}
            Uni::Control { length } => {
                return SortedUni::Control(HttpStream { recv, start: start.freeze(), content: length });
            }
            Uni::Encoder { length } => {
                return SortedUni::Qpack(Qpack::Encoder, start.split_off(length).freeze(), recv);
            }
            Uni::Decoder { length } => {
                let rest = start.split_off(length).freeze();
                return SortedUni::Qpack(Qpack::Decoder { number: 0 }, rest, recv);
            }
            Uni::Push => return SortedUni::Invalid,
            Uni::Session => {
                let _ = recv.stop(code::STREAM_REJECTED);
                return SortedUni::Nothing;
            }
            Uni::Other => {
                let _ = recv.stop(code::STREAM_CREATION_ERROR);
                return SortedUni::Nothing;
            }
        }
        let Ok(Some(chunk)) = recv.read_chunk(MAX_HEAD, true).await else { return SortedUni::Nothing };
        start.extend_from_slice(&chunk.bytes);
    }
}

fn refuse(mut request: Request, code: VarInt) {
    let _ = request.recv.stop(code);
    let _ = request.send.reset(code);
}
