//! A device that comes back goes on where it stood: nothing missed, nothing twice, or it is told of the gap.

use serde_json::{Value, json};

use crate::{
    chat::conversations::{create, say},
    support::{
        client::{BOTH, Client, Kind},
        harness::{Process, TestServer, as_many_messages_as_there_are, token},
    },
};

fn topic_state<'a>(client: &'a Client, topic: &str) -> &'a Value {
    client
        .topics
        .iter()
        .find(|state| state["topic"] == json!(topic))
        .unwrap_or_else(|| panic!("{:?}", client.topics))
}

fn hello(user: &str, cursors: Value) -> Value {
    json!({ "token": token(user, "acme", "member", &[]), "device_id": "phone", "cursors": cursors })
}

async fn texts(client: &mut Client, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(client.expect("message:new").await["data"]["text"].as_str().unwrap().to_owned());
    }
    assert_eq!(client.drain("message:new").await, Vec::<Value>::new(), "nothing twice, nothing more");
    texts
}

#[tokio::test]
async fn what_was_missed_arrives_once_and_in_order() {
    let mut server = TestServer::start().await;
    for (round, kind) in BOTH.into_iter().enumerate() {
        let mut ann = server.client(kind, "ann", "member").await;
        let mut bob = server.client(kind, "bob", "member").await;
        let room = create(&mut ann, &format!("r-{kind:?}"), &["bob"]).await;
        let topic = format!("conversation:{room}");
        say(&mut ann, &room, "m0", "before").await;
        let last = bob.expect("message:new").await;
        let cursor = json!([{ "topic": topic, "epoch": last["epoch"], "seq": last["seq"] }]);
        bob.vanish();
        for n in 0..30 {
            say(&mut ann, &room, &format!("a{n}"), &format!("away {n}")).await;
        }
        if round == 1 {
            server.restart().await;
        }
        // It returns on the other transport.
        let other = BOTH[1 - round];
        let mut bob = Client::open_with(&server.base(), other, hello("bob", cursor)).await;
        let state = topic_state(&bob, &topic);
        assert_eq!((&state["recovered"], &state["seq"]), (&json!(true), &last["seq"]));
        assert_eq!((&state["head"], &state["unread"]), (&json!(32), &json!(31)));
        assert_eq!(texts(&mut bob, 30).await, (0..30).map(|n| format!("away {n}")).collect::<Vec<_>>());
        let mut ann = server.client(kind, "ann", "member").await;
        say(&mut ann, &room, "live", "live again").await;
        assert_eq!(texts(&mut bob, 1).await, ["live again"]);
    }
}

#[tokio::test]
async fn messages_sent_during_a_resume_are_neither_lost_nor_doubled() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let room = create(&mut ann, &format!("d-{kind:?}"), &["bob"]).await;
        let topic = format!("conversation:{room}");
        let epoch = ann.expect("conversation:created").await["epoch"].clone();
        let writer = tokio::spawn(async move {
            for n in 0..200 {
                say(&mut ann, &room, &format!("m{n}"), &n.to_string()).await;
            }
        });
        let (mut seq, mut heard) = (json!(1), Vec::new());
        while heard.len() < 200 {
            let cursor = json!([{ "topic": topic, "epoch": epoch, "seq": seq }]);
            let mut bob = Client::open_with(&server.base(), kind, hello("bob", cursor)).await;
            assert_eq!(topic_state(&bob, &topic)["recovered"], true);
            for _ in 0..20.min(200 - heard.len()) {
                let message = bob.expect("message:new").await;
                seq = message["seq"].clone();
                heard.push(message["data"]["text"].as_str().unwrap().parse::<usize>().unwrap());
            }
            bob.vanish();
        }
        assert_eq!(heard, (0..200).collect::<Vec<_>>());
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_gap_is_told() {
    let server = TestServer::with(|config| config.limits.resume_events = 20).await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let room = create(&mut ann, &format!("g-{kind:?}"), &["bob"]).await;
        let topic = format!("conversation:{room}");
        let epoch = ann.expect("conversation:created").await["epoch"].clone();
        for n in 0..100 {
            say(&mut ann, &room, &format!("m{n}"), &n.to_string()).await;
        }
        let wrong_epoch = json!(epoch.as_u64().unwrap() ^ 1);
        let far_behind = (epoch.clone(), 1);
        for (epoch, seq) in [far_behind, (wrong_epoch, 100), (epoch.clone(), 5000)] {
            let cursor = json!([{ "topic": topic, "epoch": epoch, "seq": seq }]);
            let bob = Client::open_with(&server.base(), kind, hello("bob", cursor)).await;
            let mut bob = bob;
            let state = topic_state(&bob, &topic);
            assert_eq!(state["recovered"], false, "epoch {epoch}, seq {seq}");
            assert_eq!((&state["seq"], &state["head"]), (&json!(51), &json!(101)));
            assert_eq!(texts(&mut bob, 50).await, (50..100).map(|n| n.to_string()).collect::<Vec<_>>());
        }
        let cursor = json!([{ "topic": topic, "epoch": epoch, "seq": 90 }]);
        let mut bob = Client::open_with(&server.base(), kind, hello("bob", cursor)).await;
        assert_eq!(topic_state(&bob, &topic)["recovered"], true);
        assert_eq!(texts(&mut bob, 11).await.len(), 11);
    }
}

#[tokio::test]
async fn what_has_expired_is_a_gap() {
    let server = TestServer::start().await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    let room = create(&mut ann, "e", &["bob"]).await;
    let topic = format!("conversation:{room}");
    let epoch = ann.expect("conversation:created").await["epoch"].clone();
    for n in 0..10 {
        say(&mut ann, &room, &format!("old{n}"), "old").await;
    }
    server.pass(400 * 86_400_000);
    for n in 0..5 {
        say(&mut ann, &room, &format!("new{n}"), "new").await;
    }
    server.expire().await;
    let cursor = |seq: u64| json!([{ "topic": topic, "epoch": epoch, "seq": seq }]);
    for kind in BOTH {
        let mut bob = Client::open_with(&server.base(), kind, hello("bob", cursor(3))).await;
        assert_eq!(topic_state(&bob, &topic)["recovered"], false);
        assert_eq!(texts(&mut bob, 5).await, ["new"; 5]);
        let mut bob = Client::open_with(&server.base(), kind, hello("bob", cursor(11))).await;
        assert_eq!(topic_state(&bob, &topic)["recovered"], true);
        assert_eq!(texts(&mut bob, 5).await, ["new"; 5]);
        // The conversation outlives its first event.
        bob.request("message:history", json!({ "conversation_id": room })).await.unwrap();
    }
}

#[tokio::test]
async fn cursors_of_foreign_topics_tell_nothing() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let room = create(&mut ann, &format!("f-{kind:?}"), &["bob"]).await;
        let cursors = json!([
            { "topic": format!("conversation:{room}"), "epoch": 1, "seq": 0 },
            { "topic": "conversation:nowhere", "epoch": 1, "seq": 0 },
        ]);
        let eve = Client::open_with(&server.base(), kind, hello("eve", cursors)).await;
        let names: Vec<_> = eve.topics.iter().map(|state| state["topic"].as_str().unwrap()).collect();
        assert_eq!(names, ["urgent_notice:all", "notice:all"]);
    }
}

/// What was answered is kept, whatever happens right after: 50 lives of the server, each ended by SIGKILL as soon as an
/// answer has come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_right_after_the_answer_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Process::start(dir.path()).await;
    let mut ann = Client::open(&server.base, Kind::WebSocket, &token("ann", "acme", "member", &[])).await;
    let room = create(&mut ann, "kill", &["bob"]).await;
    let topic = format!("conversation:{room}");
    let epoch = ann.expect("conversation:created").await["epoch"].clone();
    let (mut seq, mut heard) = (1, Vec::new());
    for round in 0..50 {
        let kind = BOTH[round % 2];
        let mut ann = Client::open(&server.base, kind, &token("ann", "acme", "member", &[])).await;
        let stored = say(&mut ann, &room, &format!("m{round}"), &round.to_string()).await;
        assert_eq!(stored["seq"], round + 2);
        // This one is under way when the server dies: it may be there or not, and its repeat must not double it.
        let data = json!({ "client_id": format!("m{}", round + 1), "conversation_id": room, "text": (round + 1).to_string() });
        ann.send_request("message:send", data).await;
        server = server.kill_and_restart().await;
        if round % 10 == 9 {
            let cursor = json!([{ "topic": topic, "epoch": epoch, "seq": seq }]);
            let mut bob = Client::open_with(&server.base, kind, hello("bob", cursor)).await;
            assert_eq!(topic_state(&bob, &topic)["recovered"], true, "an epoch outlives a crash");
            let missed = topic_state(&bob, &topic)["head"].as_u64().unwrap() - seq;
            for text in texts(&mut bob, missed as usize).await {
                heard.push(text.parse::<usize>().unwrap());
            }
            seq += missed;
        }
    }
    let complete: Vec<usize> = (0..heard.len()).collect();
    assert_eq!(heard, complete, "no answered message lost, doubled or out of order");
    assert!(heard.len() >= 50, "{}", heard.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_topics_are_resumed_at_once_within_the_bounds_of_a_lane() {
    let server = TestServer::with(|config| {
        config.limits.ordered_bytes = 96 * 1024;
        as_many_messages_as_there_are(config);
    })
    .await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    let mut cursors = Vec::new();
    for room in 0..30 {
        let room = create(&mut ann, &format!("many-{room}"), &["bob"]).await;
        let epoch = ann.expect("conversation:created").await["epoch"].clone();
        for n in 0..20 {
            say(&mut ann, &room, &format!("m{n}"), &format!("{n} {}", "x".repeat(2000))).await;
        }
        cursors.push(json!({ "topic": format!("conversation:{room}"), "epoch": epoch, "seq": 1 }));
    }
    for kind in BOTH {
        let mut bob = Client::open_with(&server.base(), kind, hello("bob", json!(cursors))).await;
        let mut next = std::collections::HashMap::new();
        for _ in 0..30 * 20 {
            let message = bob.expect("message:new").await;
            let seq = next.entry(message["topic"].as_str().unwrap().to_owned()).or_insert(2);
            assert_eq!(message["seq"], *seq);
            *seq += 1;
        }
        assert_eq!(bob.drain("message:new").await, Vec::<Value>::new());
    }
    assert_eq!(
        server.metric("fanfare_closed_total{kind=\"slow, resume\"}").await,
        0.0,
        "nobody was too slow"
    );
    // Whoever leaves in the middle of a replay leaves nothing behind.
    for kind in BOTH {
        for _ in 0..5 {
            Client::open_with(&server.base(), kind, hello("bob", json!(cursors))).await.vanish();
        }
    }
    ann.close().await;
    crate::session::closing::until_empty(&server).await;
}

#[tokio::test]
async fn devices_of_a_user_have_cursors_of_their_own_and_agree_on_what_is_read() {
    let mut server = TestServer::start().await;
    for (round, kind) in BOTH.into_iter().enumerate() {
        let other = BOTH[1 - round];
        let mut ann = server.client(kind, "ann", "member").await;
        let room = create(&mut ann, &format!("v-{kind:?}"), &["bob"]).await;
        let topic = format!("conversation:{room}");
        let epoch = ann.expect("conversation:created").await["epoch"].clone();
        for n in 0..6 {
            say(&mut ann, &room, &format!("m{n}"), &n.to_string()).await;
        }
        let device = |name: &str, seq: u64| {
            let cursors = json!([{ "topic": topic, "epoch": epoch, "seq": seq }]);
            json!({ "token": token("bob", "acme", "member", &[]), "device_id": name, "cursors": cursors })
        };
        // Each has what it lacks by its own cursor, two tabs of a device included.
        let mut phone = Client::open_with(&server.base(), kind, device("phone", 7)).await;
        let mut laptop = Client::open_with(&server.base(), other, device("laptop", 3)).await;
        let mut tab = Client::open_with(&server.base(), other, device("laptop", 5)).await;
        assert_eq!(texts(&mut laptop, 4).await, ["2", "3", "4", "5"]);
        assert_eq!(texts(&mut tab, 2).await, ["4", "5"]);
        assert_eq!(phone.drain("message:new").await, Vec::<Value>::new());
        assert_eq!(topic_state(&phone, &topic)["unread"], 6);
        // What one reads, all have read; an older mark of another takes nothing back.
        phone.request("message:read", json!({ "conversation_id": room, "seq": 6 })).await.unwrap();
        for device in [&mut laptop, &mut tab] {
            assert_eq!(device.expect("message:read").await["data"]["seq"], 6);
        }
        let late = laptop.request("message:read", json!({ "conversation_id": room, "seq": 4 })).await;
        assert_eq!(late.unwrap()["seq"], 6);
        server.restart().await;
        for (name, kind) in [("phone", other), ("laptop", kind)] {
            let again = Client::open_with(&server.base(), kind, device(name, 7)).await;
            assert_eq!(topic_state(&again, &topic)["unread"], 1, "{name}");
        }
    }
}

/// Two processes that share nothing but the store: whoever returns to the other one goes on there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_goes_on_at_another_server_of_the_same_store() {
    if !crate::support::store::is_shared() {
        return;
    }
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let servers = [Process::start(dirs[0].path()).await, Process::start(dirs[1].path()).await];
    for round in 0..2 {
        let (here, there) = (&servers[round].base, &servers[1 - round].base);
        let (kind, other) = (BOTH[round], BOTH[1 - round]);
        let mut ann = Client::open(here, kind, &token("ann", "acme", "member", &[])).await;
        let mut bob = Client::open(here, kind, &token("bob", "acme", "member", &[])).await;
        let room = create(&mut ann, &format!("n-{round}"), &["bob"]).await;
        let topic = format!("conversation:{room}");
        say(&mut ann, &room, "m0", "before").await;
        let last = bob.expect("message:new").await;
        bob.vanish();
        let mut seqs = Vec::new();
        for n in 0..30 {
            seqs.push(say(&mut ann, &room, &format!("a{n}"), &format!("away {n}")).await["seq"].clone());
        }
        // The answer to the last one was lost: its author asks again, there.
        ann.vanish();
        let mut ann = Client::open(there, other, &token("ann", "acme", "member", &[])).await;
        let again = say(&mut ann, &room, "a29", "away 29").await;
        assert_eq!((&again["seq"], &again["duplicate"]), (&seqs[29], &json!(true)));
        let cursor = json!([{ "topic": topic, "epoch": last["epoch"], "seq": last["seq"] }]);
        let mut bob = Client::open_with(there, other, hello("bob", cursor)).await;
        assert_eq!(topic_state(&bob, &topic)["recovered"], true);
        assert_eq!(texts(&mut bob, 30).await, (0..30).map(|n| format!("away {n}")).collect::<Vec<_>>());
        say(&mut ann, &room, "live", "live again").await;
        assert_eq!(texts(&mut bob, 1).await, ["live again"], "nothing twice in between");
    }
}
