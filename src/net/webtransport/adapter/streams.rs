//! Streams as `h3` sees them.

use std::{
    cell::RefCell,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};

use super::{connection_error, stream_id, varint};
use crate::net::webtransport::{
    router::{HttpStream, Request},
    rules::{Broken, Control, HTTP_BUDGET},
    settings,
};

/// A stream that `h3` and the session have in common, until the session takes it.
pub(in crate::net::webtransport) type Shared<T> = Rc<RefCell<Option<T>>>;

/// The streams of a request, below HTTP.
#[derive(Debug, Clone)]
pub(in crate::net::webtransport) struct Raw {
    pub(in crate::net::webtransport) id: u64,
    pub(in crate::net::webtransport) send: Shared<quinn::SendStream>,
    pub(in crate::net::webtransport) recv: Shared<quinn::RecvStream>,
    /// What was received after the header fields.
    pub(in crate::net::webtransport) rest: Bytes,
}

/// A sending stream.
pub(in crate::net::webtransport) struct Send {
    id: StreamId,
    stream: Shared<quinn::SendStream>,
    writing: Bytes,
    /// Whether SETTINGS go out first on it.
    settings: bool,
}

impl Send {
    /// A stream of HTTP/3's own, with SETTINGS first or not.
    pub(super) fn own(stream: quinn::SendStream, settings: bool) -> Result<Self, StreamErrorIncoming> {
        let id = stream_id(stream.id().into())
            .map_err(|connection_error| StreamErrorIncoming::ConnectionErrorIncoming { connection_error })?;
        let stream = Rc::new(RefCell::new(Some(stream)));
        Ok(Self { id, stream, writing: Bytes::new(), settings })
    }
}

impl quic::SendStream<Bytes> for Send {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while self.writing.has_remaining() {
            let mut stream = self.stream.borrow_mut();
            let Some(stream) = stream.as_mut() else {
                return Poll::Ready(Err(lent()));
            };
            let written = ready!(Pin::new(stream).poll_write(cx, &self.writing)).map_err(write_error)?;
            self.writing.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.has_remaining() {
            return Err(StreamErrorIncoming::Unknown("the last write has not ended".into()));
        }
        // Only header fields and short texts go this way, so a copy costs nothing that matters.
        let mut data = data.into();
        self.writing = data.copy_to_bytes(data.remaining());
        if std::mem::take(&mut self.settings) {
            self.writing = settings::complete(&self.writing);
        }
        Ok(())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        ready!(self.poll_ready(cx))?;
        if let Some(stream) = self.stream.borrow_mut().as_mut() {
            let _ = stream.finish();
        }
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, reset_code: u64) {
        if let Some(stream) = self.stream.borrow_mut().as_mut() {
            let _ = stream.reset(varint(reset_code));
        }
    }

    fn send_id(&self) -> StreamId {
        self.id
    }
}

/// A receiving stream.
pub(in crate::net::webtransport) struct Recv {
    id: StreamId,
    source: Source,
}

enum Source {
    /// One of HTTP/3's own.
    Live { start: Bytes, recv: quinn::RecvStream, budget: usize, rules: Followed },
    /// A request's. `h3` is given the header fields and nothing after them.
    Request { head: Bytes, recv: Shared<quinn::RecvStream> },
}

impl Recv {
    /// The control stream.
    pub(super) fn live(
        stream: HttpStream,
        quic: &quinn::Connection,
    ) -> Result<Self, ConnectionErrorIncoming> {
        let id = stream_id(stream.recv.id().into())?;
        let mut rules = Followed { quic: quic.clone(), control: Control::default() };
        rules.follow(&stream.start[stream.content..]);
        let HttpStream { start, recv, .. } = stream;
        Ok(Self { id, source: Source::Live { start, recv, budget: HTTP_BUDGET, rules } })
    }
}

/// A control stream whose rules are looked after: `h3` does not know all of them.
struct Followed {
    quic: quinn::Connection,
    control: Control,
}

impl Followed {
    fn follow(&mut self, bytes: &[u8]) {
        if let Err(Broken(code, why)) = self.control.follow(bytes) {
            self.quic.close(code, why.as_bytes());
        }
    }
}

impl quic::RecvStream for Recv {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        match &mut self.source {
            Source::Live { start, .. } if start.has_remaining() => {
                Poll::Ready(Ok(Some(std::mem::take(start))))
            }
            Source::Live { recv, budget, rules, .. } => {
                if *budget == 0 {
                    return Poll::Ready(Err(StreamErrorIncoming::Unknown(
                        "too much on an HTTP/3 stream".into(),
                    )));
                }
                let chunk = ready!(pin!(recv.read_chunk(*budget, true)).poll(cx)).map_err(read_error)?;
                *budget -= chunk.as_ref().map_or(0, |chunk| chunk.bytes.len());
                rules.follow(chunk.as_ref().map_or(&[], |chunk| &chunk.bytes));
                Poll::Ready(Ok(chunk.map(|chunk| chunk.bytes)))
            }
            Source::Request { head, .. } => {
                Poll::Ready(Ok(head.has_remaining().then(|| std::mem::take(head))))
            }
        }
    }

    fn stop_sending(&mut self, error_code: u64) {
        let _ = match &mut self.source {
            Source::Live { recv, .. } => recv.stop(varint(error_code)),
            Source::Request { recv, .. } => match recv.borrow_mut().as_mut() {
                Some(recv) => recv.stop(varint(error_code)),
                None => Ok(()),
            },
        };
    }

    fn recv_id(&self) -> StreamId {
        self.id
    }
}

/// A request's stream.
pub(in crate::net::webtransport) struct Bidi {
    send: Send,
    recv: Recv,
}

impl Bidi {
    /// A request as `h3` is to see it, and what lies below.
    pub(super) fn of(request: Request) -> Result<(Self, Raw), ConnectionErrorIncoming> {
        let number = u64::from(request.send.id());
        let id = stream_id(number)?;
        let send = Rc::new(RefCell::new(Some(request.send)));
        let recv = Rc::new(RefCell::new(Some(request.recv)));
        let raw = Raw { id: number, send: Rc::clone(&send), recv: Rc::clone(&recv), rest: request.rest };
        let send = Send { id, stream: send, writing: Bytes::new(), settings: false };
        let recv = Recv { id, source: Source::Request { head: request.head, recv } };
        Ok((Self { send, recv }, raw))
    }
}

impl quic::BidiStream<Bytes> for Bidi {
    type SendStream = Send;
    type RecvStream = Recv;

    fn split(self) -> (Send, Recv) {
        (self.send, self.recv)
    }
}

impl quic::RecvStream for Bidi {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.recv.poll_data(cx)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.recv.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}

impl quic::SendStream<Bytes> for Bidi {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.send.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

fn lent() -> StreamErrorIncoming {
    StreamErrorIncoming::Unknown("the session has taken this stream over".into())
}

fn read_error(error: quinn::ReadError) -> StreamErrorIncoming {
    match error {
        quinn::ReadError::Reset(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        quinn::ReadError::ConnectionLost(error) => {
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error: connection_error(error) }
        }
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}

fn write_error(error: quinn::WriteError) -> StreamErrorIncoming {
    match error {
        quinn::WriteError::Stopped(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        quinn::WriteError::ConnectionLost(error) => {
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error: connection_error(error) }
        }
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}
