//! Conversations: created, found, written to, read; by members only.

use serde_json::{Value, json};

use crate::{
    client::{BOTH, Client, Kind},
    harness::{TestServer, token},
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
