//! The `h3::quic` traits over quinn. Thin, and apart from the usual adapter in three ways: it is given streams by the
//! [`router`](super::router) instead of accepting them, it holds requests back until `h3` knows the peer's SETTINGS
//! (packets may bring CONNECT first, and `h3-webtransport` fails then), and it lends out the raw streams of a request
//! for capsules.

mod streams;

use std::{
    borrow::Cow,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h3::{
    ConnectionState, SharedState,
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId},
};
use h3_datagram::{
    datagram::EncodedDatagram,
    quic_traits::{DatagramConnectionExt, RecvDatagram, SendDatagram, SendDatagramErrorIncoming},
};
use quinn::VarInt;

pub(super) use streams::{Bidi, Raw, Recv, Send};

use super::{
    queue,
    router::{HttpStream, Request},
};

/// Streams that `h3` opens for itself: control, then QPACK's encoder and decoder.
pub(super) const OWN_STREAMS: usize = 3;

/// A QUIC connection as `h3` sees it.
pub(super) struct Connection {
    quic: quinn::Connection,
    own: Vec<quinn::SendStream>,
    http: queue::Receiver<HttpStream>,
    requests: queue::Receiver<Request>,
    /// `h3`'s own state, which knows whether SETTINGS have come.
    shared: Option<Arc<SharedState>>,
    newest: Option<Raw>,
}

impl Connection {
    /// `own` are [`OWN_STREAMS`] streams opened for `h3`.
    pub(super) fn new(
        quic: quinn::Connection,
        own: Vec<quinn::SendStream>,
        http: queue::Receiver<HttpStream>,
        requests: queue::Receiver<Request>,
    ) -> Self {
        Self { quic, own, http, requests, shared: None, newest: None }
    }

    /// Lets requests through once `shared` has the peer's SETTINGS. None passes before this call.
    pub(super) fn watch(&mut self, shared: Arc<SharedState>) {
        self.shared = Some(shared);
    }

    /// The raw streams of the request accepted last.
    pub(super) fn newest(&self) -> Option<Raw> {
        self.newest.clone()
    }

    fn settled(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| matches!(shared.settings(), Cow::Borrowed(_)))
    }

    fn gone(&self) -> ConnectionErrorIncoming {
        self.quic.close_reason().map_or(ConnectionErrorIncoming::Timeout, connection_error)
    }
}

impl quic::Connection<Bytes> for Connection {
    type RecvStream = Recv;
    type OpenStreams = Opener;

    fn poll_accept_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Recv, ConnectionErrorIncoming>> {
        match ready!(self.http.poll_recv(cx)) {
            Some(stream) => Poll::Ready(Recv::live(stream, &self.quic)),
            None => Poll::Ready(Err(self.gone())),
        }
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bidi, ConnectionErrorIncoming>> {
        // `h3` reads its control stream before it asks here, and is woken by it, so that it asks again.
        if !self.settled() {
            return Poll::Pending;
        }
        let Some(request) = ready!(self.requests.poll_recv(cx)) else {
            return Poll::Ready(Err(self.gone()));
        };
        let (bidi, raw) = Bidi::of(request)?;
        self.newest = Some(raw);
        Poll::Ready(Ok(bidi))
    }

    fn opener(&self) -> Opener {
        Opener(self.quic.clone())
    }
}

impl quic::OpenStreams<Bytes> for Connection {
    type BidiStream = Bidi;
    type SendStream = Send;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        Poll::Ready(Err(not_offered()))
    }

    fn poll_open_send(&mut self, _: &mut Context<'_>) -> Poll<Result<Send, StreamErrorIncoming>> {
        // The first is the control stream.
        let settings = self.own.len() == OWN_STREAMS;
        let Some(stream) = self.own.pop() else {
            return Poll::Ready(Err(not_offered()));
        };
        Poll::Ready(Send::own(stream, settings))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.quic, code, reason);
    }
}

/// Opens nothing: the server's streams are opened on the QUIC connection itself.
pub(super) struct Opener(quinn::Connection);

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = Bidi;
    type SendStream = Send;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Bidi, StreamErrorIncoming>> {
        Poll::Ready(Err(not_offered()))
    }

    fn poll_open_send(&mut self, _: &mut Context<'_>) -> Poll<Result<Send, StreamErrorIncoming>> {
        Poll::Ready(Err(not_offered()))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.0, code, reason);
    }
}

/// Demanded by `h3-webtransport`; ours do not pass through it.
pub(super) struct NoDatagrams;

impl DatagramConnectionExt<Bytes> for Connection {
    type SendDatagramHandler = NoDatagrams;
    type RecvDatagramHandler = NoDatagrams;

    fn send_datagram_handler(&self) -> NoDatagrams {
        NoDatagrams
    }

    fn recv_datagram_handler(&self) -> NoDatagrams {
        NoDatagrams
    }
}

impl SendDatagram<Bytes> for NoDatagrams {
    fn send_datagram<T: Into<EncodedDatagram<Bytes>>>(
        &mut self,
        _: T,
    ) -> Result<(), SendDatagramErrorIncoming> {
        Err(SendDatagramErrorIncoming::NotAvailable)
    }
}

impl RecvDatagram for NoDatagrams {
    type Buffer = Bytes;

    fn poll_incoming_datagram(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<Result<Bytes, ConnectionErrorIncoming>> {
        Poll::Pending
    }
}

fn close(quic: &quinn::Connection, code: Code, reason: &[u8]) {
    quic.close(varint(code.value()), reason);
}

fn varint(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap_or(VarInt::MAX)
}

fn stream_id(id: u64) -> Result<StreamId, ConnectionErrorIncoming> {
    StreamId::try_from(id).map_err(|_| ConnectionErrorIncoming::InternalError("stream id".to_owned()))
}

fn not_offered() -> StreamErrorIncoming {
    StreamErrorIncoming::Unknown("no stream is opened this way".into())
}

fn connection_error(error: quinn::ConnectionError) -> ConnectionErrorIncoming {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into() }
        }
        quinn::ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}
