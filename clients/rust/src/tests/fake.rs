//! A transport whose other end is the test.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use fanfare_proto::{
    Command, DeviceId, Request, UnixMs, command,
    event::{self, Authenticated, name},
};
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    Client, Config, Environment, Events, Token, Transport,
    connect::Dialer,
    link::{Ended, Ends, Goodbye, Incoming, Link, goodbye},
};

/// What a dial does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    Open,
    Fail,
    Hang,
}

pub(super) struct Fake {
    plans: Mutex<VecDeque<(Transport, Plan)>>,
    peers: mpsc::UnboundedSender<Peer>,
    /// What became of what the client knows of where the server is.
    pub(super) unsure: Mutex<Vec<&'static str>>,
}

impl Fake {
    pub(super) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Peer>) {
        let (peers, receiver) = mpsc::unbounded_channel();
        let plans = Mutex::default();
        (Arc::new(Self { plans, peers, unsure: Mutex::default() }), receiver)
    }

    /// The next dial of this transport does this; without a plan it opens.
    pub(super) fn plan(&self, transport: Transport, plan: Plan) {
        self.plans.lock().unwrap().push_back((transport, plan));
    }

    fn planned(&self, transport: Transport) -> Plan {
        let mut plans = self.plans.lock().unwrap();
        let at = plans.iter().position(|(t, _)| *t == transport);
        at.and_then(|at| plans.remove(at)).map_or(Plan::Open, |(_, plan)| plan)
    }
}

impl Dialer for Fake {
    fn prepare(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn forget(&self) {
        self.unsure.lock().unwrap().push("forgotten");
    }

    fn doubt(&self) {
        self.unsure.lock().unwrap().push("doubted");
    }

    fn dial(&self, transport: Transport) -> BoxFuture<'_, Result<Link, String>> {
        Box::pin(async move {
            match self.planned(transport) {
                Plan::Hang => std::future::pending().await,
                Plan::Fail => Err("no way".into()),
                Plan::Open => {
                    let (link, ends) = Link::new(transport);
                    self.peers
                        .send(Peer { transport, ends: Some(ends) })
                        .map_err(|_| "the test is over".to_owned())?;
                    Ok(link)
                }
            }
        })
    }
}

/// The server's side of one connection.
pub(super) struct Peer {
    pub(super) transport: Transport,
    ends: Option<Ends>,
}

impl Peer {
    pub(super) fn ends(&mut self) -> &mut Ends {
        self.ends.as_mut().expect("open")
    }

    pub(super) fn into_ends(mut self) -> Ends {
        self.ends.take().expect("open")
    }

    /// The next request, heartbeats' answers and pings left out.
    pub(super) async fn request(&mut self) -> Request {
        loop {
            let request = self.any_request().await.expect("a request");
            match request.command {
                Command::Pong(_) => {}
                Command::Ping(_) => self.pong(&request).await,
                _ => return request,
            }
        }
    }

    pub(super) async fn any_request(&mut self) -> Option<Request> {
        let ends = self.ends();
        let text = tokio::select! {
            biased;
            Some(text) = ends.urgent.recv() => text,
            Some(text) = ends.ordered.recv() => text,
            else => return None,
        };
        Some(Request::parse(text.as_bytes()).expect("valid"))
    }

    pub(super) async fn pong(&mut self, request: &Request) {
        let pong = event::Pong { time: UnixMs(0) };
        self.answer_with(name::CLIENT_PONG, request, &pong).await;
    }

    pub(super) async fn say<T: Serialize>(&mut self, event: &str, data: &T) {
        self.text(event::write(event, None, data)).await;
    }

    pub(super) async fn text(&mut self, text: String) {
        let said = self.ends().incoming.send(Incoming::Event(Bytes::from(text)));
        said.await.expect("the client listens");
    }

    pub(super) async fn answer<T: Serialize>(&mut self, request: &Request, data: &T) {
        self.answer_with(name::REPLY, request, data).await;
    }

    pub(super) async fn answer_with<T: Serialize>(&mut self, name: &str, request: &Request, data: &T) {
        self.text(event::write(name, request.id.as_ref(), data)).await;
    }

    /// Takes the greeting and lets the client in.
    pub(super) async fn greet(&mut self) -> command::Authenticate {
        let request = self.any_request().await.expect("a greeting");
        let Command::Authenticate(greeting) = request.command.clone() else {
            panic!("{request:?} is no greeting");
        };
        let data = authenticated();
        self.answer_with(name::AUTHENTICATED, &request, &data).await;
        greeting
    }

    /// The connection ends.
    pub(super) async fn end(self, code: Option<u32>) {
        let ends = self.into_ends();
        let ended = Ended { code, reason: "test".into() };
        // The client may have gone first.
        let _ = ends.incoming.send(Incoming::Ended(ended)).await;
    }

    /// What the client says at the end.
    pub(super) async fn goodbye(mut self) -> Goodbye {
        let ends = self.ends.take().expect("open");
        goodbye(ends.goodbye).await
    }
}

pub(super) fn authenticated() -> Authenticated {
    Authenticated {
        connection_id: "c".into(),
        user_id: "u".parse().unwrap(),
        organization_id: "o".parse().unwrap(),
        roles: Vec::new(),
        expires_at: UnixMs(fanfare_proto::id::MAX_NUMBER),
        heartbeat_ms: 10_000,
        silence_ms: 25_000,
        compress: None,
        time: UnixMs(1_000_000),
    }
}

/// A configuration without chance: jitter is half of its window.
pub(super) fn config() -> Config {
    let mut config = Config::new("http://test", Token::fixed("t"), DeviceId::new("d").unwrap());
    let count = Arc::new(AtomicU64::new(0));
    config.environment = Environment {
        now: Arc::new(|| UnixMs(1_000_000)),
        random: Arc::new(move || (1 << 63) | count.fetch_add(1, Relaxed)),
    };
    config
}

pub(super) struct Test {
    pub(super) client: Client,
    pub(super) events: Events,
    pub(super) fake: Arc<Fake>,
    pub(super) peers: mpsc::UnboundedReceiver<Peer>,
}

impl Test {
    pub(super) fn start(config: Config) -> Self {
        let (fake, peers) = Fake::new();
        Self::start_with(config, fake, peers)
    }

    pub(super) fn start_with(config: Config, fake: Arc<Fake>, peers: mpsc::UnboundedReceiver<Peer>) -> Self {
        let (client, events) = Client::start(config, fake.clone());
        Self { client, events, fake, peers }
    }

    /// The next connection that reaches the server.
    pub(super) async fn peer(&mut self) -> Peer {
        timeout(Duration::from_mins(10), self.peers.recv())
            .await
            .expect("a connection in time")
            .expect("a connection")
    }

    /// The next connection, greeted.
    pub(super) async fn greeted(&mut self) -> (Peer, command::Authenticate) {
        let mut peer = self.peer().await;
        let greeting = peer.greet().await;
        self.client.opened().await.expect("opens");
        (peer, greeting)
    }
}
