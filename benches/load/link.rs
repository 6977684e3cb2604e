//! A connection, whatever its transport: sending never waits, receiving answers signs of life by itself.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{dialect, quic, server::Server, websocket};

/// What came.
#[derive(Debug)]
pub enum Got {
    /// An event, or a message of Socket.IO.
    Text(Bytes),
    /// A packet of ticks.
    Packet(Bytes),
}

/// The sending side. What it cannot send shows as a loss.
#[derive(Debug, Clone)]
pub enum Sender {
    Quic(Box<quic::Sender>),
    WebSocket(mpsc::UnboundedSender<Message>),
}

impl Sender {
    pub fn text(&self, text: String) {
        match self {
            Self::Quic(quic) => quic.text(&text),
            Self::WebSocket(socket) => drop(socket.send(Message::text(text))),
        }
    }

    pub fn packet(&self, packet: Vec<u8>) {
        match self {
            Self::Quic(quic) => quic.packet(packet),
            Self::WebSocket(socket) => drop(socket.send(Message::binary(packet))),
        }
    }
}

/// The receiving side.
#[derive(Debug)]
pub enum Receiver {
    Quic(mpsc::UnboundedReceiver<Got>),
    WebSocket(websocket::Receiver),
}

/// Both sides. The connection ends when both are gone.
#[derive(Debug)]
pub struct Link {
    pub sender: Sender,
    receiver: Receiver,
}

impl Link {
    /// Connects, without saying who it is.
    pub async fn open(server: &Server, to: &dialect::Place) -> Self {
        match to {
            dialect::Place::WebTransport { client, url } => {
                let (sender, receiver) = quic::open(client, url.clone()).await;
                Self { sender: Sender::Quic(Box::new(sender)), receiver: Receiver::Quic(receiver) }
            }
            dialect::Place::WebSocket { url } => {
                let (sender, receiver) = websocket::open(server, url).await;
                Self { sender: Sender::WebSocket(sender), receiver: Receiver::WebSocket(receiver) }
            }
        }
    }

    /// The next that is not a sign of life. `None` when the connection has ended.
    pub async fn recv(&mut self) -> Option<Got> {
        loop {
            let got = match &mut self.receiver {
                Receiver::Quic(channel) => channel.recv().await?,
                Receiver::WebSocket(socket) => socket.recv().await?,
            };
            match &got {
                Got::Text(text) => match dialect::answer_to(text) {
                    Some(answer) => self.sender.text(answer.to_owned()),
                    None => return Some(got),
                },
                Got::Packet(_) => return Some(got),
            }
        }
    }

    /// The next text that is wanted; everything else before it is dropped.
    pub async fn expect(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Bytes {
        loop {
            match self.recv().await {
                Some(Got::Text(text)) if wanted(&text) => return text,
                Some(_) => {}
                None => panic!("the server closed the connection"),
            }
        }
    }
}
