//! A client that does not read until it is asked to.

use bytes::BytesMut;
use fanfare_proto::frame;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};
use web_transport_quinn::{RecvStream, SendStream, Session};

use crate::support::{
    client::{Kind, open_session, write_frame},
    harness::http_get,
};

pub enum Reluctant {
    WebTransport { _session: Session, _commands: SendStream, lanes: Vec<RecvStream> },
    WebSocket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

impl Reluctant {
    /// Connects, authenticates, reads up to `topics`, and no further.
    pub async fn open(base: &str, kind: Kind, token: &str) -> Self {
        let told: Value = serde_json::from_str(&http_get(base, "/api/v1/transport").await).unwrap();
        let hello = json!({ "event": "authenticate", "data": { "token": token } }).to_string();
        match kind {
            Kind::WebTransport => {
                let session = open_session(&told).await.unwrap();
                let (mut commands, _) = session.open_bi().await.unwrap();
                write_frame(&mut commands, hello.as_bytes()).await;
                let mut lanes = Vec::new();
                for _ in 0..2 {
                    let mut stream = session.accept_uni().await.unwrap();
                    let mut lane = [0];
                    stream.read_exact(&mut lane).await.unwrap();
                    if lane == [0] {
                        // Frame by frame, so that nothing beyond is taken in.
                        for _ in 0..2 {
                            read_frame(&mut stream).await;
                        }
                    }
                    lanes.push(stream);
                }
                Self::WebTransport { _session: session, _commands: commands, lanes }
            }
            Kind::WebSocket => {
                let url = told["websocket"]["url"].as_str().unwrap();
                let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
                socket.send(Message::text(hello)).await.unwrap();
                for _ in 0..2 {
                    socket.next().await.unwrap().unwrap();
                }
                Self::WebSocket(Box::new(socket))
            }
        }
    }

    /// Reads until `alarm` and `messages` messages have come. Answers the bytes of chat before the alarm, and in all.
    pub async fn read_all(&mut self, alarm: &str, messages: usize) -> (usize, usize) {
        let mut tally = Tally { alarm: alarm.into(), before: None, total: 0, messages: 0 };
        match self {
            Self::WebTransport { lanes, .. } => {
                let (a, b) = lanes.split_at_mut(1);
                let (mut one, mut other) = (BytesMut::new(), BytesMut::new());
                while tally.before.is_none() || tally.messages < messages {
                    // Both streams are read as data arrives on either.
                    let (chunk, buffer) = tokio::select! {
                        chunk = a[0].read_chunk(16 * 1024, true) => (chunk, &mut one),
                        chunk = b[0].read_chunk(16 * 1024, true) => (chunk, &mut other),
                    };
                    buffer.extend_from_slice(&chunk.unwrap().unwrap().bytes);
                    while let Some(frame::Content::Text(event)) =
                        frame::decode(buffer, frame::MAX_SENT).unwrap()
                    {
                        tally.add(&event);
                    }
                }
            }
            Self::WebSocket(socket) => {
                while tally.before.is_none() || tally.messages < messages {
                    if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                        tally.add(text.as_bytes());
                    }
                }
            }
        }
        (tally.before.unwrap(), tally.total)
    }
}

struct Tally {
    alarm: String,
    before: Option<usize>,
    total: usize,
    messages: usize,
}

impl Tally {
    fn add(&mut self, event: &[u8]) {
        let parsed: Value = serde_json::from_slice(event).unwrap();
        if parsed["event"] == "message:new" {
            self.messages += 1;
            self.total += event.len();
        } else if parsed["data"]["message"] == json!(self.alarm) {
            self.before = Some(self.total);
        }
    }
}

async fn read_frame(stream: &mut RecvStream) {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.unwrap();
    let mut body = vec![0; u32::from_be_bytes(header) as usize];
    stream.read_exact(&mut body).await.unwrap();
}
