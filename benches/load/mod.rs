//! The load generator: the same for every system that is measured, as light as it can be, and a process of its own.
//!
//! Everything runs on one thread, which leaves the other core of a small machine to the server.

pub mod dialect;
pub mod events;
pub mod idle;
pub mod link;
pub mod process;
pub mod quic;
pub mod server;
pub mod summary;
pub mod ticks;
pub mod websocket;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Fanfare, one QUIC connection a client: always encrypted.
    WebTransport,
    /// Fanfare over plain TCP.
    WebSocket,
    /// Socket.IO 4 over plain TCP, transport `websocket`.
    SocketIo,
    /// The same over TLS, which is what to hold against WebTransport.
    SocketIoTls,
}

impl System {
    /// Every system, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::WebTransport, Self::WebSocket, Self::SocketIo, Self::SocketIoTls];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebTransport => "Fanfare, WebTransport",
            Self::WebSocket => "Fanfare, WebSocket",
            Self::SocketIo => "Socket.IO",
            Self::SocketIoTls => "Socket.IO, TLS",
        }
    }

    /// Whether it is Fanfare.
    pub const fn is_fanfare(self) -> bool {
        matches!(self, Self::WebTransport | Self::WebSocket)
    }
}

/// How long a scenario is measured.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Load before anything is measured.
    pub warm_up: std::time::Duration,
    /// Load while it is measured.
    pub measured: std::time::Duration,
}

/// Waits for what was sent last to arrive.
pub async fn settle() {
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
}
