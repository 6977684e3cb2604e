//! Against `tokio-tungstenite`'s client, through the listener.

use std::{
    cell::RefCell,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    response::Response,
    routing::any,
};
use fanfare_proto::Lane;
use futures::{SinkExt, StreamExt};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc, task::LocalSet, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::{CLOSE_PATIENCE, PROTOCOL, upgrade};
use crate::net::{
    Config, Ended, Event, Item, Link, Origins, Outgoing, Own, Packet, Received, Transport,
    authority::Host,
    listener::{self, Patience},
};

thread_local! {
    /// A handler may run anywhere, a link may not: as in the server, the shard's own state is reached through its thread.
    static LINKS: RefCell<Option<mpsc::UnboundedSender<Link>>> = const { RefCell::new(None) };
}

/// Serves connections on this shard; their links come out of the channel.
fn start() -> (SocketAddr, mpsc::UnboundedReceiver<Link>) {
    let config = Config { origins: Origins::parse(["https://a.example"]).unwrap(), ..Config::default() };
    let (links, received) = mpsc::unbounded_channel();
    LINKS.set(Some(links));
    let handler = async move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| -> Response {
        let (mut parts, _) = request.into_parts();
        let own = Own::new(Host::parse("127.0.0.1").unwrap(), 1, false);
        match upgrade(&mut parts, peer, &own, &config) {
            Ok(upgrade) => {
                tokio::task::spawn_local(async move {
                    let link = upgrade.pending.link().await.unwrap();
                    LINKS.with_borrow(|links| assert!(links.as_ref().unwrap().send(link).is_ok()));
                });
                upgrade.response
            }
            Err(refusal) => refusal,
        }
    };
    let router = Router::new().route("/ws", any(handler));
    let tcp = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = tcp.local_addr().unwrap();
    tcp.set_nonblocking(true).unwrap();
    tokio::task::spawn_local(async move {
        let tcp = tokio::net::TcpListener::from_std(tcp).unwrap();
        while let Ok((stream, peer)) = tcp.accept().await {
            let stream = stream.into_std().unwrap();
            let patience = Patience { head: Duration::from_secs(5), life: Duration::from_mins(5) };
            let serve =
                listener::serve(stream, peer, (), None, router.clone(), patience, std::future::pending());
            tokio::task::spawn_local(serve);
        }
    });
    (address, received)
}

async fn connect(
    address: SocketAddr,
    headers: &[(&'static str, &'static str)],
) -> Result<(WebSocketStream<TcpStream>, http::HeaderMap), Error> {
    let mut request = format!("ws://{address}/ws").into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse()?);
    }
    let (socket, response) = client_async(request, TcpStream::connect(address).await?).await?;
    Ok((socket, response.into_parts().0.headers))
}

async fn on_shard(test: impl Future<Output = ()>) {
    timeout(Duration::from_secs(20), LocalSet::new().run_until(test)).await.expect("the test hangs");
}

#[tokio::test]
async fn events_and_ticks_go_both_ways() {
    on_shard(async {
        let (address, mut links) = start();
        let (mut client, _) = connect(address, &[]).await.unwrap();
        let mut link = links.recv().await.unwrap();
        assert_eq!(link.peer.transport, Transport::WebSocket);
        assert_eq!(link.peer.bearer, None);

        client.send(Message::Binary("early".into())).await.unwrap();
        client.send(Message::Text("{}".into())).await.unwrap();
        assert_eq!(link.incoming.whole().await, Ok(Received::Event(Lane::Ordered, "{}".into())));
        link.incoming.admit();
        client.send(Message::Binary("later".into())).await.unwrap();
        assert_eq!(link.incoming.whole().await, Ok(Received::Ticks("later".into())));

        let Outgoing::Pipe(mut pipe) = link.outgoing else { panic!("a pipe") };
        let packet = Packet::new("\0fix".into());
        pipe.write(&[Item::Event(Event::Text("a".into())), Item::Ticks(packet), Item::Ping]).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Text("a".into()));
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Binary("fix".into()));
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Ping("".into()));
        client.flush().await.unwrap();
        assert_eq!(link.incoming.whole().await, Ok(Received::Alive));

        let start = tokio::time::Instant::now();
        tokio::join!(pipe.close(4003, "go elsewhere"), async {
            let frame = CloseFrame { code: 4003.into(), reason: "go elsewhere".into() };
            assert_eq!(client.next().await.unwrap().unwrap(), Message::Close(Some(frame)));
            assert!(client.next().await.is_none());
        });
        assert!(start.elapsed() < CLOSE_PATIENCE, "a peer that answers is not waited for");
    })
    .await;
}

#[tokio::test]
async fn the_token_is_taken_and_not_echoed() {
    on_shard(async {
        let (address, mut links) = start();
        let offer = [("sec-websocket-protocol", "fanfare, bearer.a.b-c_d")];
        let (_client, headers) = connect(address, &offer).await.unwrap();
        assert_eq!(headers["sec-websocket-protocol"], PROTOCOL);
        assert_eq!(links.recv().await.unwrap().peer.bearer.as_deref(), Some("a.b-c_d"));
        let (_client, headers) = connect(address, &[("authorization", "Bearer x.y")]).await.unwrap();
        assert!(!headers.contains_key("sec-websocket-protocol"));
        assert_eq!(links.recv().await.unwrap().peer.bearer.as_deref(), Some("x.y"));
    })
    .await;
}

/// Which of two is meant, and so who comes, would be a guess.
#[tokio::test]
async fn two_tokens_get_no_socket() {
    const PROTOCOLS: &str = "sec-websocket-protocol";
    on_shard(async {
        let (address, mut links) = start();
        for headers in [
            vec![(PROTOCOLS, "fanfare, bearer.a, bearer.b")],
            vec![(PROTOCOLS, "bearer.a, bearer.a")],
            vec![("authorization", "Bearer a"), (PROTOCOLS, "bearer.b")],
            vec![("authorization", "bearer  a"), (PROTOCOLS, "bearer.a")],
            vec![("authorization", "Bearer"), (PROTOCOLS, "bearer.a")],
        ] {
            let Err(Error::Http(response)) = connect(address, &headers).await else { panic!("{headers:?}") };
            assert_eq!(response.status(), 400, "{headers:?}");
        }
        // A proxy may ask for a password of its own.
        let _socket = connect(address, &[("authorization", "Basic YTpi"), (PROTOCOLS, "fanfare, bearer.a")])
            .await
            .unwrap();
        assert_eq!(links.recv().await.unwrap().peer.bearer.as_deref(), Some("a"));
    })
    .await;
}

#[tokio::test]
async fn requests_that_get_no_socket_are_told_why() {
    on_shard(async {
        let (address, _links) = start();
        for (headers, status) in [
            ([("origin", "https://evil.example")], 403),
            ([("sec-websocket-version", "8")], 426),
            ([("sec-websocket-key", "short")], 400),
            ([("upgrade", "h2c")], 426),
        ] {
            let Err(Error::Http(response)) = connect(address, &headers).await else { panic!("{headers:?}") };
            assert_eq!(response.status(), status, "{headers:?}");
        }
        connect(address, &[("origin", "https://a.example")]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_breaks_the_rules_ends_the_link() {
    on_shard(async {
        let (address, mut links) = start();
        let limit = Config::default().max_frame;
        let (mut client, _) = connect(address, &[]).await.unwrap();
        let mut link = links.recv().await.unwrap();
        client.send(Message::Text("x".repeat(limit + 1).into())).await.unwrap();
        assert_eq!(link.incoming.whole().await, Err(Ended::TooLarge { limit }));

        // A frame without a mask, and one that is not UTF-8.
        for bytes in [&[0x81, 0x01, b'x'][..], &[0x81, 0x81, 0, 0, 0, 0, 0xff]] {
            let (client, _) = connect(address, &[]).await.unwrap();
            let mut link = links.recv().await.unwrap();
            client.into_inner().write_all(bytes).await.unwrap();
            assert!(matches!(link.incoming.whole().await, Err(Ended::Violation(_))));
        }

        let (client, _) = connect(address, &[]).await.unwrap();
        let mut link = links.recv().await.unwrap();
        drop(client);
        assert!(matches!(link.incoming.whole().await, Err(Ended::Lost(_))));

        let (mut client, _) = connect(address, &[]).await.unwrap();
        let mut link = links.recv().await.unwrap();
        client.close(Some(CloseFrame { code: 4100.into(), reason: "done".into() })).await.unwrap();
        let ended = Err(Ended::Closed { code: 4100, reason: "done".into() });
        assert_eq!(link.incoming.whole().await, ended);
        assert_eq!(link.incoming.whole().await, ended);
        // The close was answered.
        assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_blocks_the_writer_and_not_the_reader() {
    on_shard(async {
        let (address, mut links) = start();
        let (mut client, _) = connect(address, &[]).await.unwrap();
        let mut link = links.recv().await.unwrap();
        let Outgoing::Pipe(mut pipe) = link.outgoing else { panic!("a pipe") };
        let items = [Item::Event(Event::Text("x".repeat(30_000).into()))];
        let mut written = 0;
        while timeout(Duration::from_millis(200), pipe.write(&items)).await.is_ok() {
            written += 1;
            assert!(written < 1000, "nothing holds the writer back");
        }
        client.send(Message::Text("still here".into())).await.unwrap();
        assert_eq!(link.incoming.whole().await, Ok(Received::Event(Lane::Ordered, "still here".into())));
        let start = tokio::time::Instant::now();
        pipe.close(4000, "slow").await;
        // Without a bound it would never end.
        assert!(start.elapsed() < Duration::from_secs(10));
    })
    .await;
}
