//! What goes out on a session: two streams of the server's own with priorities, datagrams, and the close.

use std::{cmp::max, rc::Rc, time::Duration};

use bytes::Bytes;
use fanfare_proto::Lane;
use tokio::time::timeout;

use super::{Guard, adapter::Raw, capsule, code, session::lost};
use crate::net::{Ended, Event, Packet, frame};

/// Header of a unidirectional stream of session 0; one byte that names the lane follows.
const STREAM_HEADER: [u8; 3] = [0x40, 0x54, 0x00];

/// What a peer that has the close gets to read it: a browser on a busy machine that hears of the connection's end first
/// takes it for lost.
pub(super) const READ_PATIENCE: Duration = Duration::from_millis(250);

/// Longest wait for the peer to take the close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// One reliable lane: a stream of its own, so that lanes don't wait for each other.
#[derive(Debug)]
pub struct StreamWriter(quinn::SendStream);

impl StreamWriter {
    /// Opens the stream and announces the lane on it.
    pub(super) async fn open(quic: &quinn::Connection, lane: Lane) -> Result<Self, Ended> {
        let mut stream = quic.open_uni().await.map_err(|error| lost(&error))?;
        let (name, priority) = match lane {
            Lane::Urgent => (1, 1),
            Lane::Ordered => (0, 0),
        };
        let _ = stream.set_priority(priority);
        let [a, b, c] = STREAM_HEADER;
        stream.write_chunk(Bytes::copy_from_slice(&[a, b, c, name])).await.map_err(ended)?;
        Ok(Self(stream))
    }

    /// Writes `events` as frames, and returns once QUIC has taken all of them. Not cancel safe: after a write that was
    /// dropped or failed the stream cannot go on, and the connection is to be closed.
    pub async fn write(&mut self, events: &[Event]) -> Result<(), Ended> {
        let mut chunks = frame::encode(events)?;
        self.0.write_all_chunks(&mut chunks).await.map_err(ended)
    }
}

/// Sends ticks as datagrams. They may be lost, or overtake each other.
#[derive(Debug, Clone)]
pub struct Datagrams {
    quic: quinn::Connection,
    /// What quinn says of its buffer when nothing is in it.
    empty: usize,
}

impl Datagrams {
    /// To be called before any datagram is sent.
    pub(super) fn new(quic: quinn::Connection) -> Self {
        let empty = quic.datagram_send_buffer_space();
        Self { quic, empty }
    }

    /// Queues `packet`. False where it is too large or there is no room: then nothing is sent, and nothing that waits
    /// is dropped for it.
    pub fn send(&self, packet: &Packet) -> bool {
        let datagram = packet.datagram();
        datagram.len() <= self.quic.datagram_send_buffer_space() && self.quic.send_datagram(datagram).is_ok()
    }

    /// Whether all that was queued has been sent.
    pub fn idle(&self) -> bool {
        self.quic.datagram_send_buffer_space() >= self.empty
    }

    /// Longest content of a packet that fits the path now; 0 where the peer takes no datagrams.
    pub fn max_len(&self) -> usize {
        self.quic.max_datagram_size().map_or(0, |size| size.saturating_sub(1))
    }
}

/// Closes the session with a code and a reason.
#[derive(Debug)]
pub struct Closer {
    quic: quinn::Connection,
    connect: Raw,
    _guard: Rc<Guard>,
}

impl Closer {
    pub(super) fn new(quic: quinn::Connection, connect: Raw, guard: Rc<Guard>) -> Self {
        Self { quic, connect, _guard: guard }
    }

    /// Tells the peer, waits up to a second for it to have been told, and closes the connection. What was written to
    /// streams before may be lost.
    pub async fn close(self, code: u32, reason: &str) {
        let stream = self.connect.send.borrow_mut().take();
        if let Some(mut stream) = stream {
            let patience = max(self.quic.rtt() * 3, READ_PATIENCE).min(CLOSE_PATIENCE);
            let told = async {
                stream.write_chunk(capsule::encode_close(code, reason)).await.ok()?;
                stream.finish().ok()?;
                stream.stopped().await.ok()
            };
            // Lost packets are sent again, which takes longer than the usual patience.
            tokio::select! {
                told = timeout(CLOSE_PATIENCE, told) => {
                    // Taken by the peer's QUIC, or the stream was reset for what the peer broke; leave its reader a moment
                    // before the connection goes.
                    if told.is_ok() {
                        let _ = timeout(patience, self.quic.closed()).await;
                    }
                }
                _ = self.quic.closed() => {}
            }
        }
        self.quic.close(code::NO_ERROR, b"");
    }
}

fn ended(error: quinn::WriteError) -> Ended {
    match error {
        quinn::WriteError::ConnectionLost(error) => lost(&error),
        quinn::WriteError::Stopped(_) => {
            Ended::Violation("the peer stopped one of the server's streams".to_owned())
        }
        other => Ended::Lost(other.to_string()),
    }
}
