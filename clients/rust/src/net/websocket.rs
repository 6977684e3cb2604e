//! WebSocket: a text message is an event, a binary message a packet of ticks or a compressed event.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use fanfare_proto::{deflate, frame};
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};
use url::Url;

use super::{
    dial::{self, Stream},
    tls::Trust,
};
use crate::{
    Transport,
    compress::{self, Agreed},
    link::{Ended, Ends, Goodbye, Incoming, Link, goodbye},
};

type Socket = WebSocketStream<Box<dyn Stream>>;

/// What the socket is read in.
const READ: usize = 8 * 1024;
/// Unwritten bytes that are kept at most.
const UNWRITTEN: usize = 1024 * 1024;
/// A write that takes longer means that nobody reads.
const WRITE: Duration = Duration::from_secs(20);
/// Longest goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long what the server said last may be on the way once nothing more can be written.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Opens a WebSocket.
pub(super) async fn link(url: &Url, trust: &Trust) -> Result<Link, String> {
    let stream = dial::tcp(url, trust).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_write_buffer_size(UNWRITTEN)
        .max_message_size(Some(frame::MAX_EVENT))
        .max_frame_size(Some(frame::MAX_EVENT));
    let (socket, _) =
        client_async_with_config(url.as_str(), stream, Some(config)).await.map_err(|e| e.to_string())?;
    let (link, ends) = Link::new(Transport::WebSocket);
    tokio::spawn(run(socket, ends));
    Ok(link)
}

/// Runs until either side closes. Reading and writing do not wait for each other.
async fn run(socket: Socket, ends: Ends) {
    let (mut sink, mut stream) = socket.split();
    let out = Out { urgent: ends.urgent, ordered: ends.ordered, packets: ends.packets, agreed: ends.agreed };
    let ended = tokio::select! {
        ended = converse(&mut sink, &mut stream, out, &ends.incoming) => ended,
        said = goodbye(ends.goodbye) => {
            let _ = timeout(GOODBYE, close(&mut sink, &mut stream, said)).await;
            return;
        }
    };
    let _ = ends.incoming.send(Incoming::Ended(ended)).await;
}

/// Reads and writes until one of them ends. A write fails as soon as the server has closed: why it did is for the reader
/// to tell.
async fn converse(
    sink: &mut SplitSink<Socket, Message>,
    stream: &mut SplitStream<Socket>,
    out: Out,
    incoming: &mpsc::Sender<Incoming>,
) -> Ended {
    let mut reading = pin!(read(stream, incoming));
    tokio::select! {
        ended = &mut reading => ended,
        broken = write(sink, out) => {
            timeout(LAST_WORD, reading).await.unwrap_or(Ended { code: None, reason: broken })
        }
    }
}

async fn close(sink: &mut SplitSink<Socket, Message>, stream: &mut SplitStream<Socket>, said: Goodbye) {
    let frame = CloseFrame { code: CloseCode::from(said.code), reason: said.reason.into() };
    if sink.send(Message::Close(Some(frame))).await.is_ok() {
        while let Some(Ok(_)) = stream.next().await {}
    }
}

/// Reads to the end. After the server's close frame the stream is read on: that is what sends our answer to it.
async fn read(stream: &mut SplitStream<Socket>, incoming: &mpsc::Sender<Incoming>) -> Ended {
    let mut said = None;
    loop {
        let message = match stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return said.unwrap_or_else(|| broken(&error)),
            None => {
                return said
                    .unwrap_or(Ended { code: None, reason: "the server ended the connection".into() });
            }
        };
        let event = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(bytes) if bytes.first() == Some(&deflate::MARK) => {
                match compress::inflate(&bytes[1..]) {
                    Ok(text) => text,
                    Err(reason) => return Ended { code: None, reason },
                }
            }
            // No room: what it held is sent again, or newer by then.
            Message::Binary(packet) => {
                drop(incoming.try_send(Incoming::Packet(packet)));
                continue;
            }
            Message::Close(frame) => {
                said = frame.map(|frame| Ended {
                    code: Some(u32::from(u16::from(frame.code))),
                    reason: frame.reason.to_string(),
                });
                continue;
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        if incoming.send(Incoming::Event(event)).await.is_err() {
            // The client has gone; its goodbye comes next.
            std::future::pending::<()>().await;
        }
    }
}

fn broken(error: &tungstenite::Error) -> Ended {
    Ended { code: None, reason: error.to_string() }
}

struct Out {
    urgent: mpsc::Receiver<String>,
    ordered: mpsc::Receiver<String>,
    packets: mpsc::Receiver<Vec<u8>>,
    agreed: Agreed,
}

impl Out {
    /// What goes next: urgent first, packets last. Packets never starve: requests are few.
    async fn next(&mut self) -> Message {
        tokio::select! {
            biased;
            Some(text) = self.urgent.recv() => Message::text(text),
            Some(text) = self.ordered.recv() => match self.agreed.message(&text) {
                Some(compressed) => Message::binary(compressed),
                None => Message::text(text),
            },
            Some(packet) = self.packets.recv() => Message::binary(packet),
            // The client lets go of the link: its goodbye closes the socket.
            else => std::future::pending().await,
        }
    }
}

async fn write(sink: &mut SplitSink<Socket, Message>, mut out: Out) -> String {
    loop {
        let message = out.next().await;
        match timeout(WRITE, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "the server does not read".into(),
        }
    }
}
