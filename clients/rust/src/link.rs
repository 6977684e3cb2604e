//! One connection as the client sees it, whatever carries it: queues to and from the transport's own tasks.

use std::time::Duration;

use bytes::Bytes;
use fanfare_proto::Lane;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{Transport, compress::Agreed};

/// Texts waiting for a transport, in each lane. Full: they stay in the outbox.
pub(crate) const TEXTS: usize = 64;
/// Packets waiting for a transport. Full: the packet is dropped and counted, its fixes go out again later.
pub(crate) const PACKETS: usize = 256;
/// What has come in and waits for the client. Full: reliable lanes wait (flow control reaches the server), packets
/// are dropped.
pub(crate) const INCOMING: usize = 256;

/// Longest wait for a transport to close. Transports take less; this is for one that hangs.
const CLOSE: Duration = Duration::from_secs(3);

/// What a transport hands over.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A JSON event of either lane.
    Event(Bytes),
    /// A packet of ticks.
    Packet(Bytes),
    /// The last thing that comes.
    Ended(Ended),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The peer's code; without one the connection broke.
    pub(crate) code: Option<u32>,
    pub(crate) reason: String,
}

/// Why and with what code the client closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goodbye {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

impl Goodbye {
    /// WebSocket's number for "done", used on both transports.
    pub(crate) const DONE: Self = Self { code: 1000, reason: "done" };

    pub(crate) const fn of(code: fanfare_proto::CloseCode) -> Self {
        Self { code: code.number(), reason: code.reason() }
    }
}

/// A connection. Its tasks say goodbye and end when it is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) transport: Transport,
    pub(crate) ordered: mpsc::Sender<String>,
    pub(crate) urgent: mpsc::Sender<String>,
    pub(crate) packets: mpsc::Sender<Vec<u8>>,
    pub(crate) incoming: mpsc::Receiver<Incoming>,
    /// To be told once the server has said so.
    pub(crate) agreed: Agreed,
    goodbye: oneshot::Sender<Goodbye>,
}

/// The transport's ends of a [`Link`].
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) ordered: mpsc::Receiver<String>,
    pub(crate) urgent: mpsc::Receiver<String>,
    pub(crate) packets: mpsc::Receiver<Vec<u8>>,
    pub(crate) incoming: mpsc::Sender<Incoming>,
    pub(crate) agreed: Agreed,
    pub(crate) goodbye: oneshot::Receiver<Goodbye>,
}

impl Link {
    pub(crate) fn new(transport: Transport) -> (Self, Ends) {
        let (ordered, ordered_end) = mpsc::channel(TEXTS);
        let (urgent, urgent_end) = mpsc::channel(TEXTS);
        let (packets, packets_end) = mpsc::channel(PACKETS);
        let (incoming_end, incoming) = mpsc::channel(INCOMING);
        let (goodbye, goodbye_end) = oneshot::channel();
        let agreed = Agreed::default();
        let link = Self { transport, ordered, urgent, packets, incoming, agreed: agreed.clone(), goodbye };
        let ends = Ends {
            ordered: ordered_end,
            urgent: urgent_end,
            packets: packets_end,
            incoming: incoming_end,
            agreed,
            goodbye: goodbye_end,
        };
        (link, ends)
    }

    pub(crate) fn lane(&self, lane: Lane) -> &mpsc::Sender<String> {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Ordered => &self.ordered,
        }
    }

    /// Closes, and waits until the transport is done with it, but not for ever.
    pub(crate) async fn close(self, goodbye: Goodbye) {
        let Self { mut incoming, goodbye: sender, .. } = self;
        // A transport that has gone needs no goodbye.
        let _ = sender.send(goodbye);
        let rest = async { while incoming.recv().await.is_some() {} };
        let _ = timeout(CLOSE, rest).await;
    }
}

/// What the transport's tasks wait for: the client's goodbye. A dropped link says [`Goodbye::DONE`].
pub(crate) async fn goodbye(receiver: oneshot::Receiver<Goodbye>) -> Goodbye {
    receiver.await.unwrap_or(Goodbye::DONE)
}
