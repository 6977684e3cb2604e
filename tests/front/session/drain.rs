//! The way down: said beforehand, step by step, and over by its deadline.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    chat::conversations::create,
    session::cancel_safety::Gate,
    support::{
        client::{BOTH, Client, Kind},
        harness::{Answered, TestServer, ask, token},
        slow_reader::Reluctant,
        until::until,
    },
};

async fn get(base: &str, path: &str) -> Answered {
    ask(base, "GET", path, &[], "").await
}

/// Waits until a GET of this path is answered with this status.
async fn until_answered(base: &str, path: &str, status: u16) {
    let what = format!("{path} is answered with {status}");
    until(&what, async || get(base, path).await.status == status).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_told_to_move_and_served_until_they_are_closed() {
    let mut server = TestServer::with(|config| {
        (config.drain.pause_ms, config.drain.notice_ms) = (500, 1_500);
    })
    .await;
    let base = server.base();
    let mut clients = Vec::new();
    for kind in BOTH {
        clients.push(server.client(kind, "ann", "member").await);
    }
    let mut greeting = Client::connect(&base, Kind::WebSocket).await;
    let stopping = server.stopping();

    // Not ready any more, but whoever comes is still served.
    until_answered(&base, "/health/ready", 503).await;
    assert_eq!(get(&base, "/api/v1/transport").await.status, 200);
    let late = Client::open(&base, Kind::WebTransport, &token("bob", "acme", "member", &[])).await;
    clients.push(late);

    // Then nobody is let in.
    until_answered(&base, "/api/v1/transport", 503).await;
    let refused = get(&base, "/ws").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert_eq!(get(&base, "/health/live").await.status, 200, "whoever watches may look");
    assert_eq!(greeting.expect_close().await, (4000, "going away".into()), "had not said who it is");
    for client in &mut clients {
        assert_eq!(client.expect("server:going_away").await["data"], json!({ "within_ms": 1_500 }));
        client.request("client:ping", json!({})).await.unwrap();
    }
    for mut client in clients {
        assert_eq!(client.expect_close().await, (4000, "going away".into()));
    }
    stopping.await.unwrap();
    assert!(tokio::net::TcpStream::connect(base.trim_start_matches("http://")).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_told_in_batches() {
    let mut server = TestServer::with(|config| {
        config.shards = 1;
        (config.drain.spread_ms, config.drain.notice_ms) = (1_000, 500);
    })
    .await;
    let mut clients = Vec::new();
    for n in 0..25 {
        clients.push(server.client(BOTH[n % 2], &format!("u{n}"), "member").await);
    }
    let stopping = server.stopping();
    let told = clients.into_iter().map(|mut client| async move {
        client.expect("server:going_away").await;
        let told = Instant::now();
        assert_eq!(client.expect_close().await.0, 4000);
        told
    });
    let told = futures::future::join_all(told).await;
    stopping.await.unwrap();
    // Ten, ten and five, a tenth of a second apart.
    let (first, last) = (told.iter().min().unwrap(), told.iter().max().unwrap());
    assert!(*last - *first >= Duration::from_millis(150), "{:?}", *last - *first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_is_answered_before_the_end() {
    for kind in BOTH {
        let (mut server, gate) = Gate::serve().await;
        let mut ann = server.client(kind, "ann", "member").await;
        let mut bob = server.client(kind, "bob", "member").await;
        let room = create(&mut ann, "room", &["bob"]).await;
        gate.stop_at(0);
        let data = json!({ "client_id": "m", "conversation_id": room, "text": "under way" });
        let id = ann.send_request("message:send", data).await;
        assert!(gate.stopped_before(std::future::pending()).await);
        let stopping = server.stopping();
        assert_eq!(bob.expect_close().await.0, 4000, "has nothing to wait for");
        gate.let_go();
        assert_eq!(ann.answer(id).await.unwrap()["seq"], 2);
        assert_eq!(ann.expect_close().await.0, 4000);
        stopping.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_over_by_its_deadline_whoever_stays() {
    // Shorter than what remains for the last steps: they are cut short as well.
    let (mut server, gate) = Gate::serve_with(|config| config.drain.deadline_ms = 1_000).await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    let room = create(&mut ann, "room", &["bob"]).await;
    let mut stuck = Vec::new();
    for kind in BOTH {
        // It never reads that it is to go.
        stuck.push(Reluctant::open(&server.base(), kind, &token("eve", "acme", "member", &[])).await);
    }
    gate.stop_at(0);
    let data = json!({ "client_id": "m", "conversation_id": room, "text": "never done" });
    ann.send_request("message:send", data).await;
    assert!(gate.stopped_before(std::future::pending()).await);
    // Without a deadline it would wait for what is never done.
    tokio::time::timeout(Duration::from_secs(30), server.stop()).await.expect("it is over");
    assert_eq!(ann.expect_close().await.0, 4000);
}

/// Its deadline holds even where the shards' own patience is of no use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_stands_still_is_not_waited_for() {
    let (mut server, gate) = Gate::serve_with(|config| config.drain.deadline_ms = 1_000).await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    let room = create(&mut ann, "room", &["bob"]).await;
    gate.block_at(0);
    let data = json!({ "client_id": "m", "conversation_id": room, "text": "never done" });
    ann.send_request("message:send", data).await;
    assert!(gate.stopped_before(std::future::pending()).await);
    tokio::time::timeout(Duration::from_secs(30), server.stop()).await.expect("it is over");
    gate.let_go();
}
