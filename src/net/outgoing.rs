//! The sending side of a link, whatever its transport.

use super::{
    Ended, Item, memory, websocket,
    webtransport::{Closer, Datagrams, StreamWriter},
};

/// What goes out on a link.
#[derive(Debug)]
pub enum Outgoing {
    /// Lanes that do not wait for each other.
    Lanes {
        /// Alerts, calls, urgent notices.
        urgent: StreamWriter,
        /// All other events.
        ordered: StreamWriter,
        /// Ticks.
        datagrams: Datagrams,
        /// Ends the session.
        closer: Closer,
    },
    /// One pipe for everything. What is to overtake must do so before it is written.
    Pipe(PipeWriter),
}

/// The sending side of an ordered pipe.
#[derive(Debug)]
pub struct PipeWriter(Sink);

#[derive(Debug)]
enum Sink {
    WebSocket(websocket::Writer),
    Memory(memory::Writer),
}

impl PipeWriter {
    pub(super) fn web_socket(writer: websocket::Writer) -> Self {
        Self(Sink::WebSocket(writer))
    }

    pub(super) fn memory(writer: memory::Writer) -> Self {
        Self(Sink::Memory(writer))
    }

    /// Writes all `items`, in as few packets as possible, and returns once the system has taken them. Not cancel safe:
    /// after a write that was dropped or failed, some of them may have gone.
    pub async fn write(&mut self, items: &[Item]) -> Result<(), Ended> {
        match &mut self.0 {
            Sink::WebSocket(writer) => writer.write(items).await,
            Sink::Memory(writer) => writer.write(items).await,
        }
    }

    /// Tells the peer that and why the connection ends, within about a second. `code` is one of 4000 to 4999.
    pub async fn close(self, code: u32, reason: &str) {
        match self.0 {
            Sink::WebSocket(writer) => writer.close(code, reason).await,
            Sink::Memory(writer) => writer.close(code, reason).await,
        }
    }
}
