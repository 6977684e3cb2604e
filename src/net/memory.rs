//! A transport within the process, for tests: bounded both ways, so that a client that does not read is a slow reader.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use fanfare_proto::Lane;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{Ended, Event, Item, Link, Outgoing, Peer, PipeWriter, Received, Transport};

/// The client's end.
#[derive(Debug)]
pub struct Client {
    to_server: mpsc::Sender<FromClient>,
    from_server: mpsc::Receiver<FromServer>,
}

/// What a client receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// An event.
    Event(Utf8Bytes),
    /// An event, compressed.
    Compressed(Bytes),
    /// Packed ticks, without the prefix.
    Ticks(Bytes),
    /// The server asks for a sign of life.
    Ping,
    /// The server closed. Nothing follows.
    Closed {
        /// The close code.
        code: u32,
        /// The reason.
        reason: String,
    },
}

#[derive(Debug)]
enum FromClient {
    Event(Bytes),
    Ticks(Bytes),
    Alive,
    Close { code: u32, reason: String },
}

/// A server's link and its client. Each direction holds up to `capacity` items; what writes into a full one waits.
pub fn pair(capacity: usize) -> (Link, Client) {
    let (to_server, receiver) = mpsc::channel(capacity);
    let (sender, from_server) = mpsc::channel(capacity);
    let link = Link {
        peer: Peer {
            transport: Transport::Memory,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            bearer: None,
        },
        incoming: super::Incoming::memory(Incoming { receiver, admitted: false, ended: None }),
        outgoing: Outgoing::Pipe(PipeWriter::memory(Writer(sender))),
    };
    (link, Client { to_server, from_server })
}

impl Client {
    /// Sends an event. False when the server is gone.
    pub async fn event(&self, text: impl Into<Bytes>) -> bool {
        self.to_server.send(FromClient::Event(text.into())).await.is_ok()
    }

    /// Sends a message of ticks. False when the server is gone.
    pub async fn ticks(&self, bytes: impl Into<Bytes>) -> bool {
        self.to_server.send(FromClient::Ticks(bytes.into())).await.is_ok()
    }

    /// Sends a sign of life. False when the server is gone.
    pub async fn alive(&self) -> bool {
        self.to_server.send(FromClient::Alive).await.is_ok()
    }

    /// Closes with a code and a reason. Dropping the client instead loses the connection.
    pub async fn close(self, code: u32, reason: &str) {
        let _ = self.to_server.send(FromClient::Close { code, reason: reason.to_owned() }).await;
    }

    /// The next thing the server sent; `None` when it is gone.
    pub async fn recv(&mut self) -> Option<FromServer> {
        self.from_server.recv().await
    }
}

/// The server's receiving side.
#[derive(Debug)]
pub(super) struct Incoming {
    receiver: mpsc::Receiver<FromClient>,
    admitted: bool,
    ended: Option<Ended>,
}

impl Incoming {
    pub(super) fn admit(&mut self) {
        self.admitted = true;
    }

    pub(super) async fn recv(&mut self) -> Result<Received, Ended> {
        loop {
            if let Some(ended) = &self.ended {
                return Err(ended.clone());
            }
            match self.receiver.recv().await {
                Some(FromClient::Event(text)) => return Ok(Received::Event(Lane::Ordered, text)),
                Some(FromClient::Ticks(bytes)) if self.admitted => return Ok(Received::Ticks(bytes)),
                Some(FromClient::Ticks(_)) => {}
                Some(FromClient::Alive) => return Ok(Received::Alive),
                Some(FromClient::Close { code, reason }) => self.ended = Some(Ended::Closed { code, reason }),
                None => self.ended = Some(Ended::Lost("the client was dropped".to_owned())),
            }
        }
    }
}

/// The server's sending side.
#[derive(Debug)]
pub(super) struct Writer(mpsc::Sender<FromServer>);

impl Writer {
    pub(super) async fn write(&mut self, items: &[Item]) -> Result<(), Ended> {
        for item in items {
            let item = match item {
                Item::Event(Event::Text(text)) => FromServer::Event(text.clone()),
                Item::Event(Event::Compressed(deflated)) => FromServer::Compressed(deflated.content()),
                Item::Ticks(packet) => FromServer::Ticks(packet.content()),
                Item::Ping => FromServer::Ping,
            };
            let sent = self.0.send(item).await;
            sent.map_err(|_| Ended::Lost("the client was dropped".to_owned()))?;
        }
        Ok(())
    }

    pub(super) async fn close(self, code: u32, reason: &str) {
        let close = self.0.send(FromServer::Closed { code, reason: reason.to_owned() });
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), close).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn both_ends_hear_each_other() {
        let (mut link, mut client) = pair(4);
        client.ticks("early").await;
        client.event("{}").await;
        assert_eq!(link.incoming.recv(true).await, Ok(Received::Event(Lane::Ordered, "{}".into())));
        link.incoming.admit();
        client.ticks("later").await;
        assert_eq!(link.incoming.recv(true).await, Ok(Received::Ticks("later".into())));
        let Outgoing::Pipe(mut pipe) = link.outgoing else { panic!("a pipe") };
        pipe.write(&[Item::Event(Event::Text("a".into())), Item::Ping]).await.unwrap();
        pipe.close(4001, "bye").await;
        assert_eq!(client.recv().await, Some(FromServer::Event("a".into())));
        assert_eq!(client.recv().await, Some(FromServer::Ping));
        assert_eq!(client.recv().await, Some(FromServer::Closed { code: 4001, reason: "bye".into() }));
        client.close(7, "me too").await;
        let ended = Err(Ended::Closed { code: 7, reason: "me too".into() });
        assert_eq!(link.incoming.recv(true).await, ended);
        assert_eq!(link.incoming.recv(true).await, ended);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_blocks_the_writer() {
        let (link, _client) = pair(1);
        let Outgoing::Pipe(mut pipe) = link.outgoing else { panic!("a pipe") };
        pipe.write(&[Item::Ping]).await.unwrap();
        let more = [Item::Ping];
        assert!(timeout(Duration::from_millis(20), pipe.write(&more)).await.is_err());
    }
}
