//! A plain client: it speaks the protocol and does nothing by itself.

mod wire;

pub use self::wire::{open_session, quic_config, write_frame};

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use fanfare_proto::{deflate, frame, tick};
use futures::SinkExt;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use web_transport_quinn::quinn;

use self::wire::{Out, Tally, web_socket, web_transport};
use crate::support::harness::http_get;

/// Nothing in these tests takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    WebTransport,
    WebSocket,
}

pub const BOTH: [Kind; 2] = [Kind::WebTransport, Kind::WebSocket];

/// What came from the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    /// The lane's byte (0 on a WebSocket) and the event.
    Event(u8, Value),
    Ticks(Bytes),
    Closed(u32, String),
}

pub struct Client {
    kind: Kind,
    out: Out,
    got: mpsc::UnboundedReceiver<Got>,
    /// Came while something else was waited for.
    kept: VecDeque<Got>,
    next_id: u64,
    /// What `authenticate` was answered with, and the topics that followed.
    pub welcome: Value,
    pub topics: Vec<Value>,
    tally: Arc<Tally>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects and authenticates.
    pub async fn open(base: &str, kind: Kind, token: &str) -> Self {
        Self::open_with(base, kind, json!({ "token": token })).await
    }

    /// Connects and sends this as `authenticate`.
    pub async fn open_with(base: &str, kind: Kind, authenticate: Value) -> Self {
        let mut client = Self::connect(base, kind).await;
        client.authenticate(authenticate).await;
        client
    }

    pub async fn authenticate(&mut self, data: Value) {
        self.send(&json!({ "event": "authenticate", "id": "hello", "data": data })).await;
        self.welcome = self.expect("authenticated").await["data"].clone();
        loop {
            let part = self.expect("topics").await["data"].clone();
            self.topics.extend(part["topics"].as_array().unwrap().iter().cloned());
            if part["more"] == json!(false) {
                return;
            }
        }
    }

    /// Connects and says nothing.
    pub async fn connect(base: &str, kind: Kind) -> Self {
        Self::connect_with(base, kind, HeaderMap::new()).await.unwrap()
    }

    /// Connects by a handshake with these headers; it may be refused.
    pub async fn connect_with(base: &str, kind: Kind, headers: HeaderMap) -> Result<Self, String> {
        let told: Value = serde_json::from_str(&http_get(base, "/api/v1/transport").await).unwrap();
        let (sender, got) = mpsc::unbounded_channel();
        let tally = Arc::<Tally>::default();
        let (out, tasks) = match kind {
            Kind::WebTransport => web_transport(&told, headers, &sender, &tally).await?,
            Kind::WebSocket => web_socket(&told, headers, sender, tally.clone()).await?,
        };
        Ok(Self {
            kind,
            out,
            got,
            kept: VecDeque::new(),
            next_id: 0,
            welcome: Value::Null,
            topics: Vec::new(),
            tally,
            tasks,
        })
    }

    pub async fn send(&mut self, event: &Value) {
        self.send_text(&event.to_string()).await;
    }

    /// Sends text as an event, whatever it is. Errors show at the receiving side.
    pub async fn send_text(&mut self, text: &str) {
        match &mut self.out {
            Out::WebTransport { commands, .. } => write_frame(commands, text.as_bytes()).await,
            Out::WebSocket(sink) => {
                let _ = sink.send(Message::text(text)).await;
            }
        }
    }

    /// Begins a message of two parts: this one, and one of so many bytes.
    pub async fn begin(&mut self, part: &[u8], rest: usize) {
        match &mut self.out {
            Out::WebTransport { commands, .. } => {
                let length = u32::try_from(part.len() + rest).unwrap();
                let _ = commands.write_all(&length.to_be_bytes()).await;
                let _ = commands.write_all(part).await;
            }
            Out::WebSocket(sink) => {
                let frame = Frame::message(part.to_vec(), OpCode::Data(Data::Text), false);
                let _ = sink.send(Message::Frame(frame)).await;
            }
        }
    }

    /// Sends another part of it, where a message has parts of its own.
    pub async fn go_on(&mut self, part: &[u8]) {
        if let Out::WebSocket(sink) = &mut self.out {
            let frame = Frame::message(part.to_vec(), OpCode::Data(Data::Continue), false);
            let _ = sink.send(Message::Frame(frame)).await;
        }
    }

    /// Ends it.
    pub async fn end(&mut self, rest: &[u8]) {
        match &mut self.out {
            Out::WebTransport { commands, .. } => {
                let _ = commands.write_all(rest).await;
            }
            Out::WebSocket(sink) => {
                let frame = Frame::message(rest.to_vec(), OpCode::Data(Data::Continue), true);
                let _ = sink.send(Message::Frame(frame)).await;
            }
        }
    }

    /// How many events have come compressed, of those that came before an answer that was waited for.
    pub fn compressed(&self) -> usize {
        self.tally.compressed.load(Ordering::Relaxed)
    }

    /// How many bytes the events had on their way.
    pub fn bytes(&self) -> usize {
        self.tally.bytes.load(Ordering::Relaxed)
    }

    /// Sends bytes as what a compressed event would be.
    pub async fn send_compressed(&mut self, bytes: &[u8]) {
        let mut out = BytesMut::new();
        match self.kind {
            Kind::WebTransport => frame::encode_compressed(bytes, &mut out),
            Kind::WebSocket => {
                out.extend_from_slice(&[deflate::MARK]);
                out.extend_from_slice(bytes);
            }
        }
        self.send_raw(&out).await;
    }

    /// Sends bytes as they are: on the stream of commands, or as a binary message.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        match &mut self.out {
            Out::WebTransport { commands, .. } => {
                let _ = commands.write_all(bytes).await;
            }
            Out::WebSocket(sink) => {
                let _ = sink.send(Message::binary(bytes.to_vec())).await;
            }
        }
    }

    /// Sends an event on the second stream, where the transport has one.
    pub async fn send_urgent(&mut self, event: &Value) {
        let text = event.to_string();
        if let Out::WebTransport { session, urgent, .. } = &mut self.out {
            if urgent.is_none() {
                *urgent = Some(session.open_bi().await.unwrap().0);
            }
            return write_frame(urgent.as_mut().unwrap(), text.as_bytes()).await;
        }
        self.send_text(&text).await;
    }

    /// Sends a packet of ticks.
    pub async fn send_packet(&mut self, packet: Vec<u8>) {
        match &mut self.out {
            Out::WebTransport { session, .. } => session.send_datagram(packet.into()).unwrap(),
            Out::WebSocket(sink) => sink.send(Message::binary(packet)).await.unwrap(),
        }
    }

    /// Sends a request and waits for its answer; everything else is kept. An error is answered as `Err(data)`.
    pub async fn request(&mut self, event: &str, data: Value) -> Result<Value, Value> {
        let id = self.send_request(event, data).await;
        self.answer(id).await
    }

    pub async fn send_request(&mut self, event: &str, data: Value) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&json!({ "event": event, "id": id, "data": data })).await;
        id
    }

    pub async fn answer(&mut self, id: u64) -> Result<Value, Value> {
        let answer = self.wait(|got| matches!(got, Got::Event(_, event) if event["re"] == json!(id))).await;
        let Got::Event(_, mut answer) = answer else { unreachable!() };
        let data = answer["data"].take();
        if answer["event"] == "error" { Err(data) } else { Ok(data) }
    }

    /// The next event of this name; everything else is kept.
    pub async fn expect(&mut self, name: &str) -> Value {
        match self.wait(|got| matches!(got, Got::Event(_, event) if event["event"] == name)).await {
            Got::Event(_, event) => event,
            _ => unreachable!(),
        }
    }

    /// The next packet of ticks; everything else is kept.
    pub async fn expect_ticks(&mut self) -> tick::Ticks {
        match self.wait(|got| matches!(got, Got::Ticks(_))).await {
            Got::Ticks(packet) => tick::unpack_ticks(&packet).unwrap(),
            _ => unreachable!(),
        }
    }

    /// Why the server closed; what else came is kept.
    pub async fn expect_close(&mut self) -> (u32, String) {
        match self.wait(|got| matches!(got, Got::Closed(..))).await {
            Got::Closed(code, reason) => (code, reason),
            _ => unreachable!(),
        }
    }

    /// The first thing, of what was kept or comes, that is wanted.
    pub async fn wait(&mut self, wanted: impl Fn(&Got) -> bool) -> Got {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let got = match timeout(PATIENCE, self.got.recv()).await {
                Ok(Some(got)) => got,
                Ok(None) => panic!("the connection is gone; kept: {:?}", self.kept),
                Err(_) => panic!("nothing of what was waited for came; kept: {:?}", self.kept),
            };
            if wanted(&got) {
                return got;
            }
            assert!(!matches!(got, Got::Closed(..)), "closed: {got:?}; kept: {:?}", self.kept);
            self.kept.push_back(got);
        }
    }

    /// Whatever came first.
    pub async fn next(&mut self) -> Got {
        self.wait(|_| true).await
    }

    /// All events of this name that have come, once the server has answered a ping sent now.
    pub async fn drain(&mut self, name: &str) -> Vec<Value> {
        self.request("client:ping", json!({})).await.unwrap();
        let mut found = Vec::new();
        self.kept.retain(|got| match got {
            Got::Event(_, event) if event["event"] == name => {
                found.push(event.clone());
                false
            }
            _ => true,
        });
        found
    }

    /// All that has come and was not waited for, once the server has answered a ping sent now.
    pub async fn everything(&mut self) -> Vec<Got> {
        self.request("client:ping", json!({})).await.unwrap();
        self.kept.drain(..).collect()
    }

    /// What came before what was waited for last, and was not waited for itself.
    pub fn came_before(&mut self) -> Vec<Got> {
        self.kept.drain(..).collect()
    }

    /// The QUIC endpoint of a WebTransport client.
    pub fn endpoint(&self) -> &quinn::Endpoint {
        match &self.out {
            Out::WebTransport { endpoint, .. } => endpoint,
            Out::WebSocket(_) => panic!("a WebSocket has no endpoint"),
        }
    }

    /// Goes away without a word.
    pub fn vanish(self) {
        drop(self);
    }

    /// Closes as a client should.
    pub async fn close(mut self) {
        match &mut self.out {
            Out::WebTransport { session, .. } => session.close(0, b"bye"),
            Out::WebSocket(sink) => {
                let _ = sink.close().await;
            }
        }
        // Until the server has agreed, or is gone.
        let _ = timeout(PATIENCE, async { while self.got.recv().await.is_some() {} }).await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
