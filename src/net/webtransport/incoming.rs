//! What comes in on a session: two streams of commands, and datagrams.

use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use fanfare_proto::{Lane, frame::Content};
use tokio::sync::oneshot;

use super::{
    Guard, code,
    endpoint::RECEIVE_WINDOW,
    queue,
    router::SessionStream,
    rules::{self, Broken},
};
use crate::net::{
    Ended, GREETING_BYTES, Received,
    frame::FrameReader,
    part::{Part, Unfinished},
};

/// Most taken from a stream at once.
const CHUNK: usize = 64 * 1024;

/// The receiving side of a session.
#[derive(Debug)]
pub(in crate::net) struct Incoming {
    quic: quinn::Connection,
    streams: queue::Receiver<SessionStream>,
    max_frame: usize,
    admitted: bool,
    ordered: Option<Commands>,
    urgent: Option<Commands>,
    end: oneshot::Receiver<Ended>,
    ended: Option<Ended>,
    _guard: Rc<Guard>,
}

impl Incoming {
    pub(super) fn new(
        quic: quinn::Connection,
        streams: queue::Receiver<SessionStream>,
        max_frame: usize,
        end: oneshot::Receiver<Ended>,
        guard: Rc<Guard>,
    ) -> Self {
        Self {
            quic,
            streams,
            max_frame,
            admitted: false,
            ordered: None,
            urgent: None,
            end,
            ended: None,
            _guard: guard,
        }
    }

    pub(in crate::net) fn admit(&mut self) {
        self.admitted = true;
        self.quic.set_receive_window(RECEIVE_WINDOW.into());
        if let Some(ordered) = &mut self.ordered {
            ordered.frames.allow(self.max_frame);
        }
    }

    pub(in crate::net) fn unfinished(&self) -> Unfinished {
        let streams = [&self.urgent, &self.ordered];
        streams.into_iter().flatten().fold(Unfinished::default(), |all, stream| all.and(stream.part.held()))
    }

    pub(in crate::net) fn excuse(&mut self) {
        for stream in [&mut self.urgent, &mut self.ordered].into_iter().flatten() {
            stream.part.excuse();
        }
    }

    fn max_frame(&self) -> usize {
        if self.admitted { self.max_frame } else { self.max_frame.min(GREETING_BYTES) }
    }

    /// Urgent commands before all else, the end after all else. Without `ordered`, that stream is not read.
    pub(in crate::net) async fn recv(&mut self, ordered: bool) -> Result<Received, Ended> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let quic = self.quic.clone();
        let mut datagram = pin!(quic.read_datagram());
        let mut datagrams = true;
        let received = poll_fn(|cx| {
            if let Poll::Ready(event) = self.poll_events(cx, ordered) {
                return Poll::Ready(event);
            }
            // Ends: no more can arrive while this shard is busy here than quinn's receive buffer holds.
            while datagrams {
                match datagram.as_mut().poll(cx) {
                    Poll::Ready(Ok(bytes)) => {
                        datagram.set(quic.read_datagram());
                        match rules::datagram(&bytes) {
                            Ok(Some(content)) if self.admitted => {
                                return Poll::Ready(Ok(Received::Ticks(content)));
                            }
                            // Nothing of the session's. It cost as much as a sign of life, and is charged as one.
                            Ok(None) if self.admitted => return Poll::Ready(Ok(Received::Alive)),
                            Ok(_) => {}
                            Err(Broken(code, why)) => {
                                quic.close(code, why.as_bytes());
                                return Poll::Ready(Err(Ended::Violation(why.to_owned())));
                            }
                        }
                    }
                    Poll::Ready(Err(_)) => datagrams = false,
                    Poll::Pending => break,
                }
            }
            let ended = ready!(std::pin::Pin::new(&mut self.end).poll(cx));
            Poll::Ready(Err(ended.unwrap_or_else(|_| Ended::Lost("the session was dropped".to_owned()))))
        })
        .await;
        if let Err(ended) = &received {
            self.ended = Some(ended.clone());
            if matches!(ended, Ended::Closed { .. } | Ended::Lost(_)) {
                // The session is over; nobody needs the connection.
                self.quic.close(code::NO_ERROR, b"");
            }
        }
        received
    }

    fn poll_events(&mut self, cx: &mut Context<'_>, ordered: bool) -> Poll<Result<Received, Ended>> {
        self.take_streams(cx);
        let lanes = [
            (Lane::Urgent, self.urgent.as_mut()),
            (Lane::Ordered, self.ordered.as_mut().filter(|_| ordered)),
        ];
        for (lane, stream) in lanes {
            let Some(commands) = stream else { continue };
            if let Poll::Ready(frame) = commands.poll_frame(cx)? {
                return Poll::Ready(Ok(match frame {
                    None => Received::Part,
                    // An empty frame keeps the connection alive and says nothing.
                    Some(Content::Text(text)) if text.is_empty() => Received::Alive,
                    Some(Content::Text(text)) => Received::Event(lane, text),
                    Some(Content::Compressed(bytes)) => Received::Compressed(lane, bytes),
                }));
            }
        }
        Poll::Pending
    }

    /// The first stream is the ordered one. The second waits, unread, until the peer is admitted.
    fn take_streams(&mut self, cx: &mut Context<'_>) {
        if self.ordered.is_none()
            && let Poll::Ready(Some(stream)) = self.streams.poll_recv(cx)
        {
            self.ordered = Some(Commands::new(stream, self.max_frame()));
        }
        if self.admitted
            && self.ordered.is_some()
            && self.urgent.is_none()
            && let Poll::Ready(Some(stream)) = self.streams.poll_recv(cx)
        {
            self.urgent = Some(Commands::new(stream, self.max_frame));
        }
    }
}

/// A stream of commands.
#[derive(Debug)]
struct Commands {
    recv: quinn::RecvStream,
    frames: FrameReader,
    part: Part,
    over: bool,
}

impl Commands {
    fn new(stream: SessionStream, max_frame: usize) -> Self {
        let frames = FrameReader::new(max_frame, stream.start);
        Self { recv: stream.recv, frames, part: Part::new(max_frame), over: false }
    }

    /// The next frame; `None` tells that some of it has come. A stream that is over yields nothing more; the session tells
    /// its own end.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Content>, Ended>> {
        loop {
            if let Some(frame) = self.frames.next()? {
                self.part.ends();
                return Poll::Ready(Ok(Some(frame)));
            }
            if self.over {
                return Poll::Pending;
            }
            let Poll::Ready(chunk) = pin!(self.recv.read_chunk(CHUNK, true)).poll(cx) else {
                let told = self.part.is(self.frames.unfinished());
                return if told { Poll::Ready(Ok(None)) } else { Poll::Pending };
            };
            match chunk {
                Ok(Some(chunk)) => self.frames.push(chunk.bytes),
                Ok(None) => {
                    self.over = true;
                    if !self.frames.between_frames() {
                        return Poll::Ready(Err(Ended::Violation(
                            "a stream ended within a frame".to_owned(),
                        )));
                    }
                }
                Err(_) => self.over = true,
            }
        }
    }
}
