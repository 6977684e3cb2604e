//! A stream of which it is known how much of a message has come, and of which only so much is read from a peer that has
//! not been admitted: the WebSocket's own limit holds for all of its life.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::parts::Parts;
use crate::net::{GREETING_BYTES, listener::Stream};

/// The error of a peer that sends too much before it is admitted.
pub(super) const TOO_MUCH: io::ErrorKind = io::ErrorKind::QuotaExceeded;
/// The error of a peer whose message comes in too many frames.
pub(super) const CRUMBLED: io::ErrorKind = io::ErrorKind::FileTooLarge;
/// For the heads of messages, and for pings.
const BESIDES: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Metered {
    stream: Stream,
    /// Bytes that may still be read. `None`: any number.
    left: Option<usize>,
    parts: Parts,
}

impl Metered {
    /// `read` was read of it already.
    pub(super) fn new(stream: Stream, read: &[u8]) -> Self {
        let mut parts = Parts::default();
        parts.follow(read);
        Self { stream, left: Some(GREETING_BYTES + BESIDES), parts }
    }

    /// Bytes that were read and are no whole message.
    pub(super) fn unfinished(&self) -> usize {
        self.parts.unfinished()
    }

    pub(super) fn unlimited(&mut self) {
        self.left = None;
    }

    /// The stream itself, of which nothing is understood any more.
    pub(super) fn raw(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left == Some(0) {
            return Poll::Ready(Err(TOO_MUCH.into()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(left) = &mut this.left {
            *left = left.saturating_sub(buf.filled().len() - before);
        }
        this.parts.follow(&buf.filled()[before..]);
        if this.parts.is_crumbled() { Poll::Ready(Err(CRUMBLED.into())) } else { polled }
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
