//! WebSocket over HTTP/1.1: text messages are events, binary messages are ticks or compressed events.

mod handshake;
mod metered;
mod parts;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use fanfare_proto::{Lane, deflate};
use futures::{Sink, Stream as _};
use tokio::{
    io::{AsyncRead, AsyncWriteExt, ReadBuf},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

pub use handshake::{PROTOCOL, Pending, Upgrade, upgrade};

use self::metered::Metered;
use super::{
    Ended, Event, GREETING_BYTES, Item, Received,
    part::{Part, Unfinished},
};

/// What a flush gathers before it is handed to the system. What waits here can no longer be overtaken.
const WRITE_BUFFER: usize = 16 * 1024;
/// Allocated for each connection.
const READ_BUFFER: usize = 4 * 1024;
/// Largest single message that can be sent.
const MAX_SENT: usize = 4 * 1024 * 1024;
/// Longest reason that fits a close frame.
const MAX_REASON: usize = 123;
/// Most that is dropped of what a peer still sends after a close.
const MAX_REST: usize = 8 * 1024 * 1024;
/// A peer that has sent nothing for this long after a close has read it.
const REST_PAUSE: Duration = Duration::from_millis(250);
/// Longest wait for the peer to answer a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Both sides use one socket, in turns: they live on one thread, and borrow it only while they poll it.
#[derive(Debug, Clone)]
struct Socket(Rc<RefCell<WebSocketStream<Metered>>>);

fn settings(max_frame: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER + MAX_SENT)
        .max_message_size(Some(max_frame))
        .max_frame_size(Some(max_frame))
}

/// The receiving side.
#[derive(Debug)]
pub(super) struct Incoming {
    socket: Socket,
    max_frame: usize,
    admitted: bool,
    part: Part,
    ended: Option<Ended>,
}

impl Incoming {
    pub(super) fn admit(&mut self) {
        self.admitted = true;
        self.socket.0.borrow_mut().get_mut().unlimited();
    }

    pub(super) fn unfinished(&self) -> Unfinished {
        self.part.held()
    }

    pub(super) fn excuse(&mut self) {
        self.part.excuse();
    }

    pub(super) async fn recv(&mut self) -> Result<Received, Ended> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Ended>> {
        loop {
            if let Some(ended) = &self.ended {
                return Poll::Ready(Err(ended.clone()));
            }
            let message = {
                let mut socket = self.socket.0.borrow_mut();
                match Pin::new(&mut *socket).poll_next(cx) {
                    Poll::Ready(message) => message,
                    Poll::Pending if self.part.is(socket.get_ref().unfinished()) => {
                        return Poll::Ready(Ok(Received::Part));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            };
            if matches!(message, Some(Ok(Message::Text(_) | Message::Binary(_)))) {
                self.part.ends();
            }
            match message {
                // An empty message keeps the connection alive and says nothing, as on the other transport.
                Some(Ok(Message::Text(text))) if text.is_empty() => return Poll::Ready(Ok(Received::Alive)),
                Some(Ok(Message::Text(text))) => {
                    return Poll::Ready(Ok(Received::Event(Lane::Ordered, Bytes::from(text))));
                }
                Some(Ok(Message::Binary(bytes))) if bytes.first() == Some(&deflate::MARK) => {
                    return Poll::Ready(Ok(Received::Compressed(Lane::Ordered, bytes.slice(1..))));
                }
                Some(Ok(Message::Binary(bytes))) if self.admitted => {
                    return Poll::Ready(Ok(Received::Ticks(bytes)));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Poll::Ready(Ok(Received::Alive)),
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    // The answer was queued by reading this, and is sent as far as the system takes it.
                    let mut socket = self.socket.0.borrow_mut();
                    let _ = Pin::new(&mut *socket).poll_flush(cx);
                    let (code, reason) = frame
                        .map_or((0, String::new()), |f| (u16::from(f.code).into(), f.reason.to_string()));
                    self.ended = Some(Ended::Closed { code, reason });
                }
                Some(Err(error)) => self.ended = Some(ended(&error, self.max_frame)),
                None => self.ended = Some(Ended::Lost("closed".to_owned())),
            }
        }
    }
}

/// The sending side.
#[derive(Debug)]
pub(super) struct Writer {
    socket: Socket,
    max_frame: usize,
}

impl Writer {
    pub(super) async fn write(&mut self, items: &[Item]) -> Result<(), Ended> {
        let result = async {
            for item in items {
                self.feed(message(item)).await?;
            }
            self.flush().await
        };
        result.await.map_err(|error| ended(&error, self.max_frame))
    }

    /// Sends the close frame, waits a little for the peer's answer, and ends the TCP stream.
    pub(super) async fn close(self, code: u32, reason: &str) {
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
        let code = CloseCode::from(u16::try_from(code).unwrap_or(u16::from(CloseCode::Error)));
        let frame = CloseFrame { code, reason: reason.into() };
        let closing = async {
            self.feed(Message::Close(Some(frame))).await.ok()?;
            self.flush().await.ok()?;
            while let Some(next) = self.next().await {
                if next.is_err() {
                    self.drop_rest().await;
                    break;
                }
            }
            Some(())
        };
        let _ = timeout(CLOSE_PATIENCE, closing).await;
        let shutdown = poll_fn(|cx| {
            let mut socket = self.socket.0.borrow_mut();
            std::pin::pin!(socket.get_mut().shutdown()).poll(cx)
        });
        let _ = timeout(CLOSE_PATIENCE, shutdown).await;
    }

    /// Takes what a peer goes on sending that cannot be read any more, and drops it: a connection that ends with something
    /// unread is reset, and the peer may lose what it was told last.
    async fn drop_rest(&self) {
        let mut chunk = vec![0; WRITE_BUFFER];
        let mut left = MAX_REST;
        while left > 0 {
            let read = poll_fn(|cx| {
                let mut socket = self.socket.0.borrow_mut();
                let mut buffer = ReadBuf::new(&mut chunk);
                let polled = Pin::new(socket.get_mut().raw()).poll_read(cx, &mut buffer);
                polled.map_ok(|()| buffer.filled().len())
            });
            match timeout(REST_PAUSE, read).await {
                Ok(Ok(read @ 1..)) => left = left.saturating_sub(read),
                _ => break,
            }
        }
    }

    async fn feed(&self, message: Message) -> Result<(), Error> {
        poll_fn(|cx| Pin::new(&mut *self.socket.0.borrow_mut()).poll_ready(cx)).await?;
        Pin::new(&mut *self.socket.0.borrow_mut()).start_send(message)
    }

    async fn flush(&self) -> Result<(), Error> {
        poll_fn(|cx| Pin::new(&mut *self.socket.0.borrow_mut()).poll_flush(cx)).await
    }

    async fn next(&self) -> Option<Result<Message, Error>> {
        poll_fn(|cx| Pin::new(&mut *self.socket.0.borrow_mut()).poll_next(cx)).await
    }
}

fn message(item: &Item) -> Message {
    match item {
        Item::Event(Event::Text(text)) => Message::Text(text.clone()),
        Item::Event(Event::Compressed(deflated)) => Message::Binary(deflated.message()),
        Item::Ticks(packet) => Message::Binary(packet.content()),
        Item::Ping => Message::Ping(Bytes::new()),
    }
}

fn ended(error: &Error, max_frame: usize) -> Ended {
    match error {
        Error::Capacity(_) => Ended::TooLarge { limit: max_frame },
        Error::Utf8(_) | Error::AttackAttempt => Ended::Violation(error.to_string()),
        Error::Protocol(protocol) => match protocol {
            // A connection that just breaks off is no offence.
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake => {
                Ended::Lost(error.to_string())
            }
            _ => Ended::Violation(error.to_string()),
        },
        Error::Io(error) if error.kind() == metered::TOO_MUCH => Ended::TooLarge { limit: GREETING_BYTES },
        Error::Io(error) if error.kind() == metered::CRUMBLED => {
            Ended::Violation("a message in too many frames".to_owned())
        }
        _ => Ended::Lost(error.to_string()),
    }
}
