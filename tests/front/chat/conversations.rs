//! Conversations: created, found, written to, read; by members only.

use std::sync::Arc;

use fanfare::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, Committed, Event, NewEvent, Put, RecordKind, Slot, Store,
        sqlite::{Options, Sqlite},
    },
};
use fanfare_proto::{
    Epoch, TopicKind, TopicName, UnixMs,
    command::{MAX_TEXT, MAX_TITLE},
};
use serde_json::{Value, json};

use crate::support::{
    client::{BOTH, Client, Kind},
    harness::{TestServer, token},
    store,
};

/// Creates a conversation and answers its id.
pub async fn create(client: &mut Client, id: &str, members: &[&str]) -> String {
    let data = json!({ "client_id": id, "kind": "group", "title": "Night shift", "members": members });
    let created = client.request("conversation:create", data).await.unwrap();
    created["conversation_id"].as_str().unwrap().to_owned()
}

/// Sends a message and answers what the server said.
pub async fn say(client: &mut Client, conversation: &str, id: &str, text: &str) -> Value {
    let data = json!({ "client_id": id, "conversation_id": conversation, "text": text });
    client.request("message:send", data).await.unwrap()
}

#[tokio::test]
async fn members_receive_messages_in_order() {
    let server = TestServer::start().await;
    for (kind, other) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let mut ann = server.client(kind, "ann", "member").await;
        let mut bob = server.client(other, "bob", "member").await;
        let mut eve = server.client(other, "eve", "member").await;
        let room = create(&mut ann, &format!("room-{kind:?}"), &["bob"]).await;
        let created = bob.expect("conversation:created").await;
        assert_eq!(created["data"]["members"], json!(["ann", "bob"]));
        assert_eq!(created["seq"], 1);
        for n in 0..20 {
            let stored = say(&mut ann, &room, &format!("m{n}"), &format!("message {n}")).await;
            assert_eq!(stored["seq"], n + 2);
        }
        for client in [&mut ann, &mut bob] {
            for n in 0..20 {
                let message = client.expect("message:new").await;
                assert_eq!(message["seq"], n + 2);
                assert_eq!(message["by"], "ann");
                assert_eq!(message["data"]["text"], format!("message {n}"));
                assert_eq!(message["topic"], format!("conversation:{room}"));
            }
        }
        assert_eq!(eve.drain("message:new").await, Vec::<Value>::new(), "a stranger hears nothing");
    }
}

#[tokio::test]
async fn a_repeated_request_changes_nothing_and_answers_the_same() {
    let mut server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let room = create(&mut ann, &format!("c-{kind:?}"), &["bob"]).await;
        assert_eq!(create(&mut ann, &format!("c-{kind:?}"), &["bob"]).await, room);
        let first = say(&mut ann, &room, "m1", "hello").await;
        let again = say(&mut ann, &room, "m1", "another text").await;
        assert_eq!((&again["seq"], &again["at"]), (&first["seq"], &first["at"]));
        assert_eq!(again["duplicate"], true);
        server.restart().await;
        let mut ann = server.client(kind, "ann", "member").await;
        let again = say(&mut ann, &room, "m1", "hello").await;
        assert_eq!((&again["seq"], &again["at"]), (&first["seq"], &first["at"]));
        let history = ann.request("message:history", json!({ "conversation_id": room })).await.unwrap();
        assert_eq!(history["head"], 2);
        assert_eq!(history["events"][1]["data"]["text"], "hello");
    }
}

#[tokio::test]
async fn history_pages_both_ways() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let room = create(&mut ann, &format!("h-{kind:?}"), &["bob"]).await;
        for n in 2..=30 {
            say(&mut ann, &room, &format!("m{n}"), &n.to_string()).await;
        }
        let page = |data: Value| {
            let mut data = data;
            data["conversation_id"] = json!(room);
            data["limit"] = json!(7);
            data
        };
        let seqs = |page: &Value| -> Vec<u64> {
            page["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
        };
        let (mut backwards, mut before) = (Vec::new(), json!({}));
        loop {
            let answer = ann.request("message:history", page(before)).await.unwrap();
            let found = seqs(&answer);
            before = json!({ "before": found[0] });
            backwards.splice(0..0, found);
            if answer["more"] == json!(false) {
                break;
            }
        }
        assert_eq!(backwards, (1..=30).collect::<Vec<_>>());
        let (mut forwards, mut after) = (Vec::new(), json!({ "after": 0 }));
        loop {
            let answer = ann.request("message:history", page(after)).await.unwrap();
            forwards.extend(seqs(&answer));
            after = json!({ "after": forwards.last() });
            if answer["more"] == json!(false) {
                break;
            }
        }
        assert_eq!(forwards, backwards);
        let wrong =
            ann.request("message:history", page(json!({ "before": 3, "after": 1 }))).await.unwrap_err();
        assert_eq!(wrong["code"], "INVALID_MESSAGE");
    }
}

#[tokio::test]
async fn a_page_of_long_messages_is_cut_to_a_frame() {
    let server = TestServer::start().await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    let room = create(&mut ann, "long", &["bob"]).await;
    let long = "x".repeat(16 * 1024);
    for n in 0..4 {
        say(&mut ann, &room, &format!("m{n}"), &long).await;
    }
    let answer = ann.request("message:history", json!({ "conversation_id": room })).await.unwrap();
    assert_eq!(answer["more"], true);
    assert!(answer.to_string().len() < 64 * 1024);
    assert_eq!(answer["events"].as_array().unwrap().last().unwrap()["seq"], 5);
}

#[tokio::test]
async fn what_is_not_yours_does_not_exist() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let room = create(&mut ann, &format!("x-{kind:?}"), &["bob"]).await;
        say(&mut ann, &room, "m1", "secret").await;
        let mut eve = server.client(kind, "eve", "admin").await;
        // The same user id in another organisation is somebody else.
        let mut other = Client::open(&server.base(), kind, &token("ann", "rival", "admin", &[])).await;
        for stranger in [&mut eve, &mut other] {
            let mut answers = Vec::new();
            for conversation in [room.as_str(), "0123456789abcdef0123456789abcdef"] {
                let about = json!({ "conversation_id": conversation });
                let mark = json!({ "conversation_id": conversation, "seq": 1 });
                let send = json!({ "conversation_id": conversation, "client_id": "x", "text": "hi" });
                answers.push([
                    stranger.request("message:history", about).await.unwrap_err(),
                    stranger.request("message:read", mark.clone()).await.unwrap_err(),
                    stranger.request("message:received", mark).await.unwrap_err(),
                    stranger.request("message:send", send).await.unwrap_err(),
                ]);
            }
            assert_eq!(answers[0], answers[1], "a foreign conversation looks like a missing one");
            assert_eq!(answers[0][0]["code"], "ROOM_NOT_FOUND");
            let list = stranger.request("conversation:list", json!({})).await.unwrap();
            assert_eq!(list["conversations"], json!([]));
            assert_eq!(stranger.drain("message:new").await, Vec::<Value>::new());
        }
    }
}

#[tokio::test]
async fn marks_move_forward_only_and_members_see_them() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let mut bob = server.client(kind, "bob", "member").await;
        let room = create(&mut ann, &format!("k-{kind:?}"), &["bob"]).await;
        for n in 0..5 {
            say(&mut ann, &room, &format!("m{n}"), "hi").await;
        }
        let unread = async |client: &mut Client| {
            let list = client.request("conversation:list", json!({})).await.unwrap();
            let rooms = list["conversations"].as_array().unwrap().clone();
            rooms.into_iter().find(|r| r["conversation_id"] == json!(room)).unwrap()["unread"]
                .as_u64()
                .unwrap()
        };
        assert_eq!(unread(&mut bob).await, 5);
        assert_eq!(unread(&mut ann).await, 0, "who writes has read");
        let mark = |seq: u64| json!({ "conversation_id": room, "seq": seq });
        bob.request("message:received", mark(6)).await.unwrap();
        let receipt = ann.expect("message:delivered").await;
        assert_eq!((&receipt["data"]["user_id"], &receipt["data"]["seq"]), (&json!("bob"), &json!(6)));
        bob.request("message:read", mark(4)).await.unwrap();
        assert_eq!(ann.expect("message:read").await["data"]["seq"], 4);
        assert_eq!(unread(&mut bob).await, 2);
        let back = bob.request("message:read", mark(2)).await.unwrap();
        assert_eq!(back["seq"], 4, "a mark does not go back");
        assert_eq!(unread(&mut bob).await, 2);
        let ahead = bob.request("message:read", mark(7)).await.unwrap_err();
        assert_eq!(ahead["code"], "INVALID_MESSAGE", "nobody has read what is not written");
        let history = ann.request("message:history", mark(0)).await.unwrap();
        let bobs = json!({ "user_id": "bob", "delivered": 6, "read": 4 });
        assert!(history["marks"].as_array().unwrap().contains(&bobs), "{history}");
    }
}

#[tokio::test]
async fn a_conversation_has_the_members_that_it_may_have() {
    let server = TestServer::start().await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    let create =
        |kind: &str, members: Vec<String>| json!({ "client_id": "c", "kind": kind, "members": members });
    let alone = ann.request("conversation:create", create("private", vec!["ann".into()])).await.unwrap_err();
    assert_eq!(alone["code"], "INVALID_MESSAGE");
    let crowd: Vec<String> = (0..1000).map(|n| format!("user-{n}")).collect();
    let full = ann.request("conversation:create", create("group", crowd.clone())).await.unwrap_err();
    assert_eq!(full["code"], "ROOM_FULL");
    let fits = ann.request("conversation:create", create("group", crowd[1..].to_vec())).await;
    assert!(fits.is_ok());
}

#[tokio::test]
async fn a_creation_and_a_message_may_have_the_same_client_id() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let id = format!("1-{kind:?}");
        let room = create(&mut ann, &id, &["bob"]).await;
        assert_eq!(say(&mut ann, &room, &id, "first").await["seq"], 2);
    }
}

/// Creates a private conversation and answers its id.
async fn pair(client: &mut Client, id: &str, other: &str) -> String {
    let data = json!({ "client_id": id, "kind": "private", "members": [other] });
    let created = client.request("conversation:create", data).await.unwrap();
    created["conversation_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_pair_has_one_private_conversation() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let (a, b) = (format!("ann-{kind:?}"), format!("bob-{kind:?}"));
        let mut ann = server.client(kind, &a, "member").await;
        let mut bob = server.client(kind, &b, "member").await;
        let other = pair(&mut ann, "p0", "carol").await;
        // Both begin it at the same time, and both again.
        let (first, second) = tokio::join!(pair(&mut ann, "p1", &b), pair(&mut bob, "p1", &a));
        assert_eq!(first, second);
        assert_ne!(first, other);
        assert_eq!(pair(&mut ann, "p2", &b).await, first);
        let asked = json!({ "client_id": "p3", "kind": "private", "members": [&a] });
        let again = bob.request("conversation:create", asked).await.unwrap();
        assert_eq!((&again["conversation_id"], &again["duplicate"]), (&json!(first), &json!(true)));
        say(&mut bob, &first, "m1", "hello").await;
        let history = ann.request("message:history", json!({ "conversation_id": first })).await.unwrap();
        let names: Vec<_> =
            history["events"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
        assert_eq!(names, ["conversation:created", "message:new"]);
        let list = bob.request("conversation:list", json!({})).await.unwrap();
        assert_eq!(list["conversations"].as_array().unwrap().len(), 1);
        // A group of the same two is another conversation, and there may be several.
        assert_ne!(create(&mut ann, "g1", &[&b]).await, first);
    }
}

/// Before pairs had one each, a conversation's id came from the request.
#[tokio::test]
async fn a_pair_keeps_the_conversation_that_it_had() {
    if store::is_shared() {
        return;
    }
    let mut server = TestServer::start().await;
    server.stop().await;
    let org = Tenant::stored("acme".parse().unwrap());
    let old = Sqlite::open(&server.config.data_dir, Arc::new(Nobody), &Options::default()).unwrap();
    // Times that retention leaves alone.
    let now = fanfare::time::Clock::system().now().0;
    for (room, at) in [("aaa", now - 3), ("bbb", now - 1), ("ccc", now - 2)] {
        let slot = |kind, partition: &str, key: &str| Slot {
            org: org.clone(),
            kind,
            partition: partition.to_owned(),
            key: key.to_owned(),
        };
        let state = json!({ "kind": "private", "title": null, "members": ["ann", "bob"] }).to_string();
        let records = [
            (slot(RecordKind::Conversation, room, "state"), state),
            (slot(RecordKind::Membership, "ann", room), "{}".to_owned()),
            (slot(RecordKind::Membership, "bob", room), "{}".to_owned()),
        ];
        for (slot, value) in records {
            let put = Put { value: Some(value.into()), expires: None };
            old.put(&slot, None, put, UnixMs(1)).await.unwrap();
        }
        let event = NewEvent {
            author: "ann".parse().unwrap(),
            client_id: room.parse().unwrap(),
            at: UnixMs(at),
            name: "conversation:created".to_owned(),
            data: "{}".into(),
            countable: false,
        };
        let name = TopicName { kind: TopicKind::Conversation, key: room.parse().unwrap() };
        let topic = Topic { org: org.clone(), name };
        let audience = Audience::Members(Arc::new([]));
        old.append(Append { topic, expect: None, events: vec![event], audience }).await.unwrap();
    }
    old.close().await;
    server.restart_stopped().await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    let mut bob = server.client(Kind::WebTransport, "bob", "member").await;
    // Of several, the one that was written to last; and it stays that one.
    let (first, second) = tokio::join!(pair(&mut ann, "p1", "bob"), pair(&mut bob, "p1", "ann"));
    assert_eq!((first.as_str(), second.as_str()), ("bbb", "bbb"));
    say(&mut ann, "ccc", "m1", "hello").await;
    assert_eq!(pair(&mut bob, "p2", "ann").await, "bbb");
}

/// Hears nothing.
struct Nobody;

impl Committed for Nobody {
    fn committed(&self, _: &Topic, _: Epoch, _: &Audience, _: &[Event]) {}
}

#[tokio::test]
async fn a_list_says_when_each_conversation_was_last_written_to() {
    let server = TestServer::start().await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    let mut stored = Vec::new();
    for n in 0..25 {
        server.pass(1_000);
        let room = create(&mut ann, &format!("r{n}"), &["bob"]).await;
        stored.push((say(&mut ann, &room, &format!("m{n}"), "hello").await["at"].as_u64().unwrap(), room));
    }
    let (mut found, mut after) = (Vec::new(), json!({}));
    loop {
        let page = ann.request("conversation:list", after).await.unwrap();
        for entry in page["conversations"].as_array().unwrap() {
            let room = entry["conversation_id"].as_str().unwrap().to_owned();
            found.push((entry["last_at"].as_u64().unwrap(), room));
        }
        let Some(next) = page["next"].as_str() else { break };
        after = json!({ "after": next });
    }
    found.sort();
    assert_eq!(found, stored);
}

#[tokio::test]
async fn what_retention_removed_is_not_unread_and_can_be_read_past() {
    let server = TestServer::start().await;
    let day = 24 * 60 * 60 * 1000;
    for kind in BOTH {
        let (a, b) = (format!("ann-{kind:?}"), format!("bob-{kind:?}"));
        let mut ann = server.client(kind, &a, "member").await;
        let mut bob = server.client(kind, &b, "member").await;
        let room = create(&mut ann, &format!("room-{kind:?}"), &[&b]).await;
        for n in 0..3 {
            say(&mut ann, &room, &format!("old{n}"), "hello").await;
        }
        let unread = async |bob: &mut Client| {
            let list = bob.request("conversation:list", json!({})).await.unwrap();
            list["conversations"][0].clone()
        };
        let marked = async |bob: &mut Client, seq: u64| {
            let data = json!({ "conversation_id": room, "seq": seq });
            bob.request("message:read", data).await.map(|receipt| receipt["seq"].clone())
        };
        assert_eq!(unread(&mut bob).await["unread"], 3);
        server.pass(400 * day);
        server.expire().await;
        let mut ann = server.client(kind, &a, "member").await;
        let mut bob = server.client(kind, &b, "member").await;
        let entry = unread(&mut bob).await;
        assert_eq!((&entry["unread"], &entry["head"]), (&json!(0), &json!(4)));
        assert!(entry.get("last_at").is_none());
        // Two more that can be read, and count.
        say(&mut ann, &room, "new1", "hello").await;
        say(&mut ann, &room, "new2", "hello").await;
        assert_eq!(unread(&mut bob).await["unread"], 2);
        let tab = server.client(kind, &b, "member").await;
        let name = format!("conversation:{room}");
        let state = tab.topics.iter().find(|state| state["topic"] == name.as_str());
        assert_eq!(state.unwrap()["unread"], 2);
        // Any position up to the head may be read, also one whose event has gone.
        assert_eq!(marked(&mut bob, 2).await.unwrap(), 2);
        assert_eq!(unread(&mut bob).await["unread"], 2);
        assert_eq!(marked(&mut bob, 4).await.unwrap(), 4);
        assert_eq!(unread(&mut bob).await["unread"], 2);
        assert_eq!(marked(&mut bob, 5).await.unwrap(), 5);
        assert_eq!(unread(&mut bob).await["unread"], 1);
        assert_eq!(marked(&mut bob, 6).await.unwrap(), 6);
        assert_eq!(unread(&mut bob).await["unread"], 0);
        assert_eq!(marked(&mut bob, 7).await.unwrap_err()["code"], "INVALID_MESSAGE");
        // The head of a log of which nothing is left.
        say(&mut ann, &room, "new3", "hello").await;
        server.pass(400 * day);
        server.expire().await;
        let mut bob = server.client(kind, &b, "member").await;
        assert_eq!(unread(&mut bob).await["unread"], 0);
        assert_eq!(marked(&mut bob, 7).await.unwrap(), 7);
    }
}

/// A row that a damaged disk has left hides no other, wherever it is read.
#[tokio::test]
async fn an_event_that_cannot_be_read_hides_no_other() {
    if store::is_shared() {
        return;
    }
    let mut server = TestServer::start().await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    let room = create(&mut ann, "room", &["bob"]).await;
    let mut epoch = Value::Null;
    for n in 2..=5 {
        epoch = say(&mut ann, &room, &format!("m{n}"), "hello").await["epoch"].take();
    }
    server.stop().await;
    let core = rusqlite::Connection::open(server.config.data_dir.join("core.db")).unwrap();
    for sql in [
        "UPDATE event SET author = 'no id' WHERE client_id = 'm3'",
        "UPDATE event SET data = CAST('{\"te' AS BLOB) WHERE client_id = 'm4'",
    ] {
        assert_eq!(core.execute(sql, []).unwrap(), 1, "{sql}");
    }
    drop(core);
    server.restart_stopped().await;
    let all = ["conversation:created", "message:new", "event:unreadable", "event:unreadable", "message:new"];
    let topic = format!("conversation:{room}");
    for kind in BOTH {
        let cursor = json!([{ "topic": topic, "epoch": epoch, "seq": 1 }]);
        let hello =
            json!({ "token": token("bob", "acme", "member", &[]), "device_id": "phone", "cursors": cursor });
        let mut bob = Client::open_with(&server.base(), kind, hello).await;
        let mut came = Vec::new();
        for name in &all[1..] {
            let event = bob.expect(name).await;
            came.push(event["seq"].as_u64().unwrap());
        }
        assert_eq!(came, [2, 3, 4, 5], "{kind:?}");
        for page in [json!({}), json!({ "after": 0 }), json!({ "before": 6, "limit": 5 })] {
            let mut asked = page.clone();
            asked["conversation_id"] = json!(room);
            let history = bob.request("message:history", asked).await.unwrap();
            let names: Vec<_> = history["events"].as_array().unwrap().iter().map(|e| &e["event"]).collect();
            assert_eq!(names, all, "{kind:?} {page}");
        }
        let list = bob.request("conversation:list", json!({})).await.unwrap();
        assert_eq!(list["conversations"][0]["unread"], 4);
    }
}

/// A text is as long as its JSON form, and whoever wrote too much learns how much.
#[tokio::test]
async fn a_text_that_is_too_long_is_told_by_how_much() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let room = create(&mut ann, &format!("room-{kind:?}"), &["bob"]).await;
        // Each of them is two bytes as JSON.
        let quotes = |limit: usize, more: usize| "\"".repeat(limit / 2 + more);
        let said = |text: String| json!({ "client_id": "m", "conversation_id": room, "text": text });
        let begun = |title: String| json!({ "client_id": format!("t-{kind:?}"), "kind": "group", "title": title, "members": ["bob"] });
        for (event, limit, data) in [
            ("message:send", MAX_TEXT, &said as &dyn Fn(String) -> Value),
            ("conversation:create", MAX_TITLE, &begun),
        ] {
            let refused = ann.request(event, data(quotes(limit, 1))).await.unwrap_err();
            let why = refused["message"].as_str().unwrap();
            assert_eq!(refused["code"], "INVALID_MESSAGE", "{event}");
            assert!(why.contains(&(limit + 2).to_string()) && why.contains(&limit.to_string()), "{why}");
            ann.request(event, data(quotes(limit, 0))).await.unwrap();
        }
    }
}
