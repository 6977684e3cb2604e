//! The receiving side of a link, whatever its transport.

use super::{Ended, Received, Unfinished, memory, websocket, webtransport};

/// What comes in on a link.
#[derive(Debug)]
pub struct Incoming(Source);

#[derive(Debug)]
enum Source {
    WebTransport(Box<webtransport::Incoming>),
    WebSocket(websocket::Incoming),
    Memory(memory::Incoming),
}

impl Incoming {
    pub(super) fn web_transport(incoming: webtransport::Incoming) -> Self {
        Self(Source::WebTransport(Box::new(incoming)))
    }

    pub(super) fn web_socket(incoming: websocket::Incoming) -> Self {
        Self(Source::WebSocket(incoming))
    }

    pub(super) fn memory(incoming: memory::Incoming) -> Self {
        Self(Source::Memory(incoming))
    }

    /// The next thing the peer sent; urgent events first. Without `ordered`, events of that lane stay unread; where
    /// everything comes in one stream, all of it does. Cancel safe: a dropped call loses nothing. Once ended, it stays
    /// ended.
    pub async fn recv(&mut self, ordered: bool) -> Result<Received, Ended> {
        match &mut self.0 {
            Source::WebTransport(incoming) => incoming.recv(ordered).await,
            Source::WebSocket(_) | Source::Memory(_) if !ordered => std::future::pending().await,
            Source::WebSocket(incoming) => incoming.recv().await,
            Source::Memory(incoming) => incoming.recv().await,
        }
    }

    /// The next thing but a part.
    #[cfg(test)]
    pub(super) async fn whole(&mut self) -> Result<Received, Ended> {
        loop {
            let received = self.recv(true).await;
            if received != Ok(Received::Part) {
                return received;
            }
        }
    }

    /// What is held of messages that are not whole. It changes with what is received, and is told by
    /// [`Received::Part`] where nothing else is.
    pub fn unfinished(&self) -> Unfinished {
        match &self.0 {
            Source::WebTransport(incoming) => incoming.unfinished(),
            Source::WebSocket(incoming) => incoming.unfinished(),
            Source::Memory(_) => Unfinished::default(),
        }
    }

    /// Not all was read for a time: the wait for what is not whole begins anew.
    pub fn excuse(&mut self) {
        match &mut self.0 {
            Source::WebTransport(incoming) => incoming.excuse(),
            Source::WebSocket(incoming) => incoming.excuse(),
            Source::Memory(_) => {}
        }
    }

    /// The peer has shown who it is. Before this call ticks are dropped, and only the first stream is read.
    pub fn admit(&mut self) {
        match &mut self.0 {
            Source::WebTransport(incoming) => incoming.admit(),
            Source::WebSocket(incoming) => incoming.admit(),
            Source::Memory(incoming) => incoming.admit(),
        }
    }
}
