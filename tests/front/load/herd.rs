//! Two thousand clients return at once to a server that was killed, and two others go on talking meanwhile.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio_tungstenite::{connect_async, tungstenite::Message};

use crate::support::{
    client::{Client, Kind},
    harness::{Process, token},
    scheduler_lag::{Late, p99},
    until::pace,
};

/// People who share the same conversations.
const GROUP: usize = 40;
/// Conversations of each.
const ROOMS: usize = 50;
/// Of which so many have an event that is missed.
const MISSED: usize = 5;

/// All clients are back by then, and what two others say arrives within.
const BACK: Duration = Duration::from_secs(20);
const TALK: Duration = Duration::from_millis(200);

/// Between two messages of these, and between two attempts of one that comes back.
const TALKS: Duration = Duration::from_millis(20);
const AGAIN: Duration = Duration::from_millis(100);

/// The limits that keep one person from doing what the test does for thousands.
const SETTINGS: [(&str, &str); 8] = [
    ("FANFARE_LIMITS__CONVERSATIONS_PER_MINUTE_PER_USER", "100000"),
    ("FANFARE_LIMITS__CONVERSATIONS_PER_MINUTE_PER_ORGANISATION", "100000"),
    ("FANFARE_LIMITS__MESSAGES_PER_SECOND", "100000"),
    ("FANFARE_LIMITS__MESSAGES_PER_SECOND_PER_USER", "100000"),
    ("FANFARE_LIMITS__MESSAGES_PER_SECOND_PER_ORGANISATION", "100000"),
    ("FANFARE_LIMITS__CONNECTIONS_PER_IP", "10000"),
    ("FANFARE_LIMITS__ATTEMPTS_PER_SECOND_PER_IP", "100000"),
    ("FANFARE_SESSION__AUTH_TIMEOUT_MS", "60000"),
];

fn user(n: usize) -> String {
    format!("u{n}")
}

/// A group's conversations with one message each: their topics, and the epoch.
async fn furnish(base: String, group: usize) -> (Vec<String>, Value) {
    let first = group * GROUP;
    let members: Vec<_> = (first + 1..first + GROUP).map(user).collect();
    let mut creator = Client::open(&base, Kind::WebSocket, &token(&user(first), "acme", "member", &[])).await;
    let (mut topics, mut epoch) = (Vec::new(), Value::Null);
    for room in 0..ROOMS {
        let data = json!({ "client_id": format!("r{room}"), "kind": "group", "members": members });
        let made = creator.request("conversation:create", data).await.unwrap();
        let data = json!({ "client_id": format!("m{room}"), "conversation_id": made["conversation_id"], "text": "x" });
        assert_eq!(creator.request("message:send", data).await.unwrap()["seq"], 2);
        topics.push(made["topic"].as_str().unwrap().to_owned());
        epoch = made["epoch"].clone();
    }
    creator.close().await;
    (topics, epoch)
}

/// Comes back until it is live: it has been told of all its topics, and has every event that it missed, once.
async fn come_back(base: &str, hello: &str) {
    let url = format!("{}/ws", base.replace("http", "ws"));
    let mut pace = pace(AGAIN);
    // What is refused, or broken off, is tried again, as a client would.
    while attempt(&url, hello).await.is_none() {
        pace.tick().await;
    }
}

async fn attempt(url: &str, hello: &str) -> Option<()> {
    let (mut socket, _) = connect_async(url).await.ok()?;
    socket.send(Message::text(hello)).await.ok()?;
    let (mut told, mut missed) = (false, HashSet::new());
    while !told || missed.len() < MISSED {
        let Message::Text(text) = socket.next().await?.ok()? else { return None };
        let event: Value = serde_json::from_str(&text).unwrap();
        match event["event"].as_str().unwrap() {
            "topics" => told = event["data"]["more"] == false,
            "message:new" => {
                assert_eq!(event["seq"], 2);
                assert!(missed.insert(event["topic"].to_string()), "twice: {event}");
            }
            "error" => return None,
            _ => {}
        }
    }
    // It stays, and answers no ping: it is not asked for longer than this test takes.
    tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
    Some(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: `make soak` runs it"]
async fn a_herd_that_returns_after_a_kill_9_is_live_soon_and_in_nobodys_way() {
    let clients: usize =
        std::env::var("FANFARE_TEST_HERD").map_or(2_000, |clients| clients.parse().unwrap()) / GROUP * GROUP;
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start_with(dir.path(), &SETTINGS).await;
    let mut hellos = Vec::new();
    for groups in (0..clients / GROUP).collect::<Vec<_>>().chunks(8) {
        let furnished = groups.iter().map(|group| furnish(server.base.clone(), *group));
        for (group, (topics, epoch)) in groups.iter().zip(futures::future::join_all(furnished).await) {
            for n in group * GROUP..(group + 1) * GROUP {
                let cursor = |(at, topic)| json!({ "topic": topic, "epoch": epoch, "seq": if at < MISSED { 1 } else { 2 } });
                let cursors: Vec<_> = topics.iter().enumerate().map(cursor).collect();
                let token = token(&user(n), "acme", "member", &[]);
                let data = json!({ "token": token, "device_id": format!("d{n}"), "cursors": cursors });
                hellos.push(json!({ "event": "authenticate", "data": data }).to_string());
            }
        }
    }
    let base: Arc<str> = server.base.as_str().into();
    let mut here = tokio::task::JoinSet::new();
    for hello in &hellos {
        let (base, hello) = (base.clone(), hello.clone());
        here.spawn(async move { come_back(&base, &hello).await });
    }
    here.join_all().await;
    println!("{clients} clients with {ROOMS} topics each are here");

    let server = server.kill_and_restart_here().await;
    let mut ann = Client::open(&base, Kind::WebSocket, &token("ann", "acme", "member", &[])).await;
    let mut bob = Client::open(&base, Kind::WebTransport, &token("bob", "acme", "member", &[])).await;
    let room = crate::chat::conversations::create(&mut ann, "talk", &["bob"]).await;

    let start = Arc::new(Barrier::new(clients + 1));
    let mut herd = tokio::task::JoinSet::new();
    for hello in hellos {
        let (base, start) = (base.clone(), start.clone());
        herd.spawn(async move {
            start.wait().await;
            let began = Instant::now();
            come_back(&base, &hello).await;
            began.elapsed()
        });
    }
    let (over, is_over) = tokio::sync::watch::channel(false);
    let talk = tokio::spawn(async move {
        let (mut times, mut pace) = (Vec::new(), pace(TALKS));
        while !*is_over.borrow() || times.len() < 20 {
            pace.tick().await;
            let data =
                json!({ "client_id": format!("t{}", times.len()), "conversation_id": room, "text": "hello" });
            let said = Instant::now();
            ann.send_request("message:send", data).await;
            bob.expect("message:new").await;
            times.push(said.elapsed());
        }
        times
    });
    let late = Late::begin();
    start.wait().await;
    let mut times = herd.join_all().await;
    over.send_replace(true);
    let (talk, late) = (talk.await.unwrap(), late.p99());
    times.sort_unstable();
    let (half, all) = (times[clients / 2], times[clients - 1]);
    let (said, talk) = (talk.len(), p99(talk));
    println!(
        "figure: {clients} clients with {ROOMS} topics each: half live after {half:?}, all after {all:?}; meanwhile {said} \
         messages of two others took {talk:?} at p99, and this process ran {late:?} late at p99"
    );
    assert!(all <= BACK, "{all:?}");
    // Client and server share the machine, and a message changes threads six times on its way.
    assert!(talk <= TALK + 6 * late, "{talk:?}");
    drop(server);
}
