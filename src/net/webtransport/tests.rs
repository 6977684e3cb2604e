//! Against a client of another make (`web-transport-quinn`), and, in [`raw`], against bytes put together by hand.

#![allow(clippy::large_futures, reason = "a test's future is made once")]

mod raw;

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use fanfare_proto::Lane;
use tokio::{task::LocalSet, time::timeout};
use web_transport_quinn::{ClientBuilder, ClientError, Session, SessionError, WebTransportError};

use super::{Tuning, accept};
use crate::net::{
    Config, Ended, Event, HandshakeError, Link, Origins, Outgoing, Packet, Received, Transport, tls::Identity,
};

/// An endpoint that accepts one connection at a time.
struct Server {
    endpoint: quinn::Endpoint,
    config: Config,
    hash: [u8; 32],
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let identity = Identity::development(directory.path().into(), SystemTime::now()).unwrap();
        let config = Tuning::default().server_config(&identity).unwrap();
        let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let config = Config { origins: Origins::parse(["https://a.example"]).unwrap(), ..Config::default() };
        Self { endpoint, config, hash: identity.hashes()[0], _directory: directory }
    }

    async fn accept(&self) -> Result<Link, HandshakeError> {
        accept(self.endpoint.accept().await.unwrap(), &self.config, || true).await
    }

    fn url(&self, path: &str) -> url::Url {
        format!("https://127.0.0.1:{}{path}", self.endpoint.local_addr().unwrap().port()).parse().unwrap()
    }

    async fn connect(&self, path: &str) -> Result<Session, ClientError> {
        let client = ClientBuilder::new().with_server_certificate_hashes(vec![self.hash.to_vec()]).unwrap();
        client.connect(self.url(path)).await
    }

    /// A session and its link.
    async fn session(&self) -> (Session, Link) {
        let (session, link) = tokio::join!(self.connect("/wt"), self.accept());
        (session.unwrap(), link.unwrap())
    }
}

/// Runs a test as a shard would, and not for long.
async fn on_shard(test: impl Future<Output = ()>) {
    timeout(Duration::from_secs(20), LocalSet::new().run_until(test)).await.expect("the test hangs");
}

fn framed(text: &str) -> Vec<u8> {
    let mut frame = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(text.as_bytes());
    frame
}

#[tokio::test]
async fn events_and_ticks_go_both_ways() {
    on_shard(async {
        let server = Server::start();
        let (session, mut link) = server.session().await;
        assert_eq!(link.peer.transport, Transport::WebTransport);

        // The client's first stream; what it sends before it is admitted.
        let (mut commands, _) = session.open_bi().await.unwrap();
        session.send_datagram(Bytes::from_static(b"early")).unwrap();
        commands.write_all(&framed("hello")).await.unwrap();
        assert_eq!(link.incoming.whole().await, Ok(Received::Event(Lane::Ordered, "hello".into())));
        let (mut urgent, _) = session.open_bi().await.unwrap();
        urgent.write_all(&framed("hurry")).await.unwrap();
        assert!(timeout(Duration::from_millis(100), link.incoming.whole()).await.is_err());

        link.incoming.admit();
        assert_eq!(link.incoming.whole().await, Ok(Received::Event(Lane::Urgent, "hurry".into())));
        session.send_datagram(Bytes::from_static(b"later")).unwrap();
        assert_eq!(link.incoming.whole().await, Ok(Received::Ticks("later".into())));
        commands.write_all(&framed("")).await.unwrap();
        assert_eq!(link.incoming.whole().await, Ok(Received::Alive));

        // A third stream is refused.
        let (mut third, _) = session.open_bi().await.unwrap();
        third.write_all(b"x").await.unwrap();
        assert!(third.stopped().await.unwrap().is_some() || third.write_all(b"x").await.is_err());

        let Outgoing::Lanes { mut urgent, mut ordered, datagrams, closer } = link.outgoing else {
            panic!("lanes");
        };
        ordered.write(&[Event::Text("one".into()), Event::Text("two".into())]).await.unwrap();
        urgent.write(&[Event::Text("alarm".into())]).await.unwrap();
        for _ in 0..2 {
            let mut stream = session.accept_uni().await.unwrap();
            let mut lane = [0];
            stream.read_exact(&mut lane).await.unwrap();
            let expected =
                if lane == [1] { framed("alarm") } else { [framed("one"), framed("two")].concat() };
            let mut got = vec![0; expected.len()];
            stream.read_exact(&mut got).await.unwrap();
            assert_eq!(got, expected);
        }
        assert!(datagrams.max_len() >= 1024);
        assert!(datagrams.idle());
        assert!(datagrams.send(&Packet::new(Bytes::from_static(b"\0fix"))));
        assert_eq!(session.read_datagram().await.unwrap(), Bytes::from_static(b"fix"));
        assert!(datagrams.idle());
        assert!(!datagrams.send(&Packet::new(vec![0; 60_000].into())));

        tokio::join!(closer.close(4003, "go elsewhere"), async {
            let closed = session.closed().await;
            let SessionError::WebTransportError(WebTransportError::Closed(code, reason)) = closed else {
                panic!("{closed:?}")
            };
            assert_eq!((code, reason.as_str()), (4003, "go elsewhere"));
        });
    })
    .await;
}

#[tokio::test]
async fn the_peers_close_is_noticed_at_once() {
    on_shard(async {
        let server = Server::start();
        let (session, mut link) = server.session().await;
        let start = Instant::now();
        session.close(4100, b"done");
        let ended = Ended::Closed { code: 4100, reason: "done".into() };
        assert_eq!(link.incoming.whole().await, Err(ended.clone()));
        assert_eq!(link.incoming.whole().await, Err(ended));
        // Silence alone takes 30 s to be noticed.
        assert!(start.elapsed() < Duration::from_secs(10));
    })
    .await;
}

#[tokio::test]
async fn too_large_frames_end_the_link_before_they_come() {
    on_shard(async {
        let server = Server::start();
        let (session, mut link) = server.session().await;
        let (mut commands, _) = session.open_bi().await.unwrap();
        commands.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        assert_eq!(link.incoming.whole().await, Err(Ended::TooLarge { limit: server.config.max_frame }));
    })
    .await;
}

#[tokio::test]
async fn a_wrong_path_is_refused() {
    on_shard(async {
        let server = Server::start();
        let (session, link) = tokio::join!(
            async {
                let refused = server.connect("/other").await;
                server.endpoint.close(0u32.into(), b"");
                refused
            },
            server.accept()
        );
        assert!(session.is_err());
        assert!(link.is_err());
    })
    .await;
}

/// A peer that was there and is not any more: nothing it is sent will ever be acknowledged.
#[tokio::test]
async fn closing_does_not_wait_for_a_dead_peer() {
    on_shard(async {
        let server = Server::start();
        let (url, hash) = (server.url("/wt"), server.hash.to_vec());
        let (done, stop) = std::sync::mpsc::channel::<()>();
        let client = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let session = runtime.block_on(async {
                let client = ClientBuilder::new().with_server_certificate_hashes(vec![hash]).unwrap();
                client.connect(url).await.unwrap()
            });
            // The runtime stands still: the session exists and does nothing.
            let _ = stop.recv();
            drop(session);
        });
        let link = server.accept().await.unwrap();
        let Outgoing::Lanes { closer, mut ordered, .. } = link.outgoing else { panic!("lanes") };
        let events = [Event::Text("x".repeat(30_000).into())];
        let mut written = 0;
        while timeout(Duration::from_millis(100), ordered.write(&events)).await.is_ok() {
            written += 1;
        }
        assert!((3..=6).contains(&written), "the send window is about 128 KiB, {written} x 30 KB fit");
        let start = Instant::now();
        closer.close(4000, "gone").await;
        // The connection would be given up after 30 s.
        assert!(start.elapsed() < Duration::from_secs(10));
        drop(done);
        client.join().unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_dropped_link_closes_the_connection() {
    on_shard(async {
        let server = Server::start();
        let (session, link) = server.session().await;
        drop(link);
        session.closed().await;
    })
    .await;
}
