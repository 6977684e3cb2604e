//! WebTransport: the connections of all clients share one UDP socket.

use bytes::{Bytes, BytesMut};
use fanfare_proto::frame;
use tokio::sync::mpsc;
use web_transport_quinn::{Client, RecvStream, SendStream, Session};

use super::link::Got;

#[derive(Debug, Clone)]
pub struct Sender {
    session: Session,
    texts: mpsc::UnboundedSender<Bytes>,
}

impl Sender {
    pub(super) fn text(&self, text: &str) {
        let mut framed = BytesMut::new();
        frame::encode(text.as_bytes(), &mut framed);
        let _ = self.texts.send(framed.freeze());
    }

    pub(super) fn packet(&self, packet: Vec<u8>) {
        let _ = self.session.send_datagram(packet.into());
    }
}

pub(super) async fn open(client: &Client, url: url::Url) -> (Sender, mpsc::UnboundedReceiver<Got>) {
    let session = client.connect(url).await.unwrap();
    // Nothing comes back on it, but dropping the other half would tell the server to stop.
    let (requests, silent) = session.open_bi().await.unwrap();
    let (texts, waiting) = mpsc::unbounded_channel();
    tokio::task::spawn_local(write(requests, silent, waiting));
    let (got, receiver) = mpsc::unbounded_channel();
    tokio::task::spawn_local(read_lanes(session.clone(), got.clone()));
    tokio::task::spawn_local(read_datagrams(session.clone(), got));
    (Sender { session, texts }, receiver)
}

async fn write(mut stream: SendStream, silent: RecvStream, mut texts: mpsc::UnboundedReceiver<Bytes>) {
    while let Some(text) = texts.recv().await {
        if stream.write_all(&text).await.is_err() {
            break;
        }
    }
    drop(silent);
}

async fn read_lanes(session: Session, got: mpsc::UnboundedSender<Got>) {
    while let Ok(stream) = session.accept_uni().await {
        tokio::task::spawn_local(read_lane(stream, got.clone()));
    }
}

async fn read_lane(mut stream: RecvStream, got: mpsc::UnboundedSender<Got>) {
    let mut lane = [0];
    if stream.read_exact(&mut lane).await.is_err() {
        return;
    }
    let mut buffer = BytesMut::new();
    while let Ok(Some(chunk)) = stream.read_chunk(64 * 1024, true).await {
        buffer.extend_from_slice(&chunk.bytes);
        while let Some(frame::Content::Text(event)) = frame::decode(&mut buffer, frame::MAX_EVENT).unwrap() {
            let _ = got.send(Got::Text(event));
        }
    }
}

async fn read_datagrams(session: Session, got: mpsc::UnboundedSender<Got>) {
    while let Ok(packet) = session.read_datagram().await {
        let _ = got.send(Got::Packet(packet));
    }
}
