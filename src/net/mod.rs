//! Transports: how bytes come and go. Knows streams, messages and datagrams, and no sessions.
//!
//! Every transport yields a [`Link`] once its own handshake is done; from there on all are treated alike.

pub mod authority;
mod frame;
mod incoming;
pub mod listener;
pub mod memory;
mod origin;
mod outgoing;
mod part;
pub mod public;
mod refusals;
pub mod single;
mod task;
pub mod tls;
pub mod udp;
pub mod websocket;
pub mod webtransport;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use fanfare_proto::{Lane, deflate};
use tokio_tungstenite::tungstenite::Utf8Bytes;

pub use incoming::Incoming;
pub use origin::{BadOrigin, Origin, Origins, Own, bearer};
pub use outgoing::{Outgoing, PipeWriter};
pub use part::Unfinished;
pub use refusals::Refusals;
pub use webtransport::{Closer, Datagrams, StreamWriter};

/// Most bytes of an event, on one pipe of all events, from a peer that has not been [admitted](Incoming::admit).
pub const GREETING_BYTES: usize = 64 * 1024;

/// What both network transports hold a connecting peer to.
#[derive(Debug, Clone)]
pub struct Config {
    /// The path of WebTransport sessions. WebSockets are routed by the HTTP router.
    pub path: String,
    /// Which web pages may connect.
    pub origins: Origins,
    /// Whether an authority vouches for the server's name, so that its own pages may connect by whatever name.
    pub vouched: bool,
    /// What was refused, for the log.
    pub refusals: Arc<Refusals>,
    /// Largest event and largest binary message a peer may send, in bytes.
    pub max_frame: usize,
    /// How long a transport's own handshake may take, TLS included.
    pub handshake: Duration,
    /// Longest life of an HTTP connection that does not become a transport's.
    pub http_life: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/wt".to_owned(),
            origins: Origins::default(),
            vouched: false,
            refusals: Arc::default(),
            max_frame: 32 * 1024,
            handshake: Duration::from_secs(10),
            http_life: Duration::from_mins(5),
        }
    }
}

/// Why a peer that began to connect has no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// It took too long.
    #[error("the handshake took too long")]
    Timeout,
    /// The path broke, or the peer went away.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The two did not agree on how to encrypt, or one did not take the other's certificate.
    #[error("TLS: {0}")]
    Tls(String),
    /// The peer did not speak the protocol.
    #[error("protocol violation: {0}")]
    Protocol(String),
    /// It was not to go on, once its address was known to be its own.
    #[error("turned away")]
    TurnedAway,
    /// It was answered with this status.
    #[error("refused with {0}")]
    Refused(http::StatusCode),
}

/// The parts of an open connection.
#[derive(Debug)]
pub struct Link {
    /// What is known of the other side.
    pub peer: Peer,
    /// What comes in.
    pub incoming: Incoming,
    /// What goes out.
    pub outgoing: Outgoing,
}

/// Who is at the other end, as far as the transport knows.
#[derive(Debug, Clone)]
pub struct Peer {
    /// How it is connected.
    pub transport: Transport,
    /// Its address when it connected; a QUIC connection may move.
    pub address: SocketAddr,
    /// A token given with the handshake (`Authorization: Bearer`, or a WebSocket subprotocol).
    pub bearer: Option<String>,
}

/// The kinds of transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP/3 WebTransport.
    WebTransport,
    /// WebSocket over TCP.
    WebSocket,
    /// In process, for tests.
    Memory,
}

/// What a peer sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// One JSON event, not yet parsed, and the stream it came on. One pipe has only [`Lane::Ordered`].
    Event(Lane, Bytes),
    /// The same, compressed by the peer, and not yet inflated. May come before the peer is [admitted](Incoming::admit).
    Compressed(Lane, Bytes),
    /// One datagram or binary message of ticks.
    Ticks(Bytes),
    /// Some of a message, and not its end: more is [unfinished](Incoming::unfinished) than there was.
    Part,
    /// A sign of life without content.
    Alive,
}

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The peer closed, and may have said why.
    #[error("closed by the peer ({code}: {reason})")]
    Closed {
        /// The peer's code; 0 when it gave none.
        code: u32,
        /// The peer's words, cut to a bounded length.
        reason: String,
    },
    /// The path broke: reset, idle for too long, or gone.
    #[error("connection lost: {0}")]
    Lost(String),
    /// A frame was larger than allowed. Nothing after it can be read.
    #[error("a frame is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The peer broke the rules of the transport.
    #[error("protocol violation: {0}")]
    Violation(String),
}

/// Ticks packed for sending: the byte `0x00` that names the WebTransport session in a QUIC datagram, then the
/// content. One allocation serves every receiver on every transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet(Bytes);

impl Packet {
    /// The first byte of every packet: quarter stream id of session 0.
    pub const PREFIX: u8 = 0;

    /// Takes bytes that start with [`Self::PREFIX`].
    pub fn new(prefixed: Bytes) -> Self {
        debug_assert_eq!(prefixed.first(), Some(&Self::PREFIX));
        Self(prefixed)
    }

    /// As a QUIC datagram of session 0.
    pub fn datagram(&self) -> Bytes {
        self.0.clone()
    }

    /// The content alone.
    pub fn content(&self) -> Bytes {
        self.0.slice(1..)
    }
}

/// An event in the form in which it goes out.
#[derive(Debug, Clone)]
pub enum Event {
    /// JSON.
    Text(Utf8Bytes),
    /// JSON that was deflated.
    Compressed(Deflated),
}

/// An event that was deflated: [`MARK`](deflate::MARK), by which a WebSocket message is known, then the content. One
/// allocation serves every receiver on every transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deflated(Bytes);

impl Deflated {
    /// Deflates an event; `None` where that would not make it smaller.
    pub fn of(event: &[u8]) -> Option<Self> {
        deflate::deflate(event, &[deflate::MARK]).map(|marked| Self(marked.into()))
    }

    /// As a binary message.
    pub fn message(&self) -> Bytes {
        self.0.clone()
    }

    /// The content alone.
    pub fn content(&self) -> Bytes {
        self.0.slice(1..)
    }
}

impl Event {
    /// Bytes of this form.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Compressed(deflated) => deflated.0.len() - 1,
        }
    }
}

/// An item for a [`Pipe`](Outgoing::Pipe).
#[derive(Debug, Clone)]
pub enum Item {
    /// An event.
    Event(Event),
    /// Packed ticks.
    Ticks(Packet),
    /// Asks the peer's transport for a sign of life.
    Ping,
}
