//! What is urgent never waits behind what is not; who reads too slowly is told to resume.

use serde_json::json;

use crate::{
    chat::conversations::{create, say},
    support::{
        client::{BOTH, Client, Got},
        harness::{TestServer, as_many_messages_as_there_are, token},
        slow_reader::Reluctant,
        until::until,
    },
};

#[tokio::test]
async fn a_broadcast_reaches_everyone_of_the_organisation() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut chief = server.client(kind, "chief", "admin").await;
        let mut guard = server.client(kind, "guard", "agent").await;
        let mut rival = Client::open(&server.base(), kind, &token("guard", "rival", "agent", &[])).await;
        for (priority, lane) in [("high", 0), ("urgent", 1)] {
            let id = format!("{priority}-{kind:?}");
            let data = json!({ "client_id": id, "message": id, "priority": priority });
            let first = chief.request("system:broadcast", data.clone()).await.unwrap();
            let again = chief.request("system:broadcast", data).await.unwrap();
            assert_eq!(first["seq"], again["seq"]);
            let got =
                guard.wait(|got| matches!(got, Got::Event(_, e) if e["data"]["message"] == json!(id))).await;
            let Got::Event(byte, notice) = got else { unreachable!() };
            assert_eq!(notice["data"], json!({ "message": id, "priority": priority }));
            if kind == BOTH[0] {
                assert_eq!(byte, lane, "the lane is that of the topic");
            }
        }
        assert!(rival.drain("system:broadcast").await.is_empty());
        let refused = guard.request("system:broadcast", json!({ "client_id": "x", "message": "hi" })).await;
        assert_eq!(refused.unwrap_err()["code"], "UNAUTHORIZED");
    }
}

/// How much of the backlog may come before what is urgent: what transports and kernels already had in hand.
const IN_HAND: usize = 600 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_urgent_notice_overtakes_a_megabyte_of_unread_chat() {
    let server = TestServer::with(|config| {
        config.limits.ordered_bytes = 4 * 1024 * 1024;
        as_many_messages_as_there_are(config);
    })
    .await;
    for kind in BOTH {
        let mut chief = server.client(kind, "chief", "admin").await;
        let room = create(&mut chief, &format!("o-{kind:?}"), &["guard"]).await;
        let mut guard = Reluctant::open(&server.base(), kind, &token("guard", "acme", "agent", &[])).await;
        let text = "x".repeat(16 * 1000);
        for n in 0..200 {
            say(&mut chief, &room, &format!("m{n}"), &text).await;
        }
        let alarm = format!("fire-{kind:?}");
        let urgent = json!({ "client_id": alarm, "message": alarm, "priority": "urgent" });
        chief.request("system:broadcast", urgent).await.unwrap();
        let (before, total) = guard.read_all(&alarm, 200).await;
        println!("{kind:?}: {before} of {total} bytes of chat came before the urgent notice");
        assert!(total > 3_000_000);
        assert!(before < IN_HAND, "{before} bytes came first");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_too_slowly_is_closed_and_resumes_without_loss() {
    let server = TestServer::with(|config| {
        config.limits.ordered_bytes = 256 * 1024;
        as_many_messages_as_there_are(config);
    })
    .await;
    for kind in BOTH {
        let mut chief = server.client(kind, "chief", "admin").await;
        let mut quick = server.client(kind, "quick", "agent").await;
        let room = create(&mut chief, &format!("s-{kind:?}"), &["slow", "quick"]).await;
        let epoch = chief.expect("conversation:created").await["epoch"].clone();
        let slow_token = token("slow", "acme", "agent", &[]);
        let _slow = Reluctant::open(&server.base(), kind, &slow_token).await;
        let closed = server.metric("fanfare_closed").await;
        let text = "x".repeat(16 * 1000);
        for n in 0..400 {
            say(&mut chief, &room, &format!("m{n}"), &text).await;
            quick.expect("message:new").await;
        }
        until("it is closed", async || server.metric("fanfare_closed").await > closed).await;
        // Nothing was lost: it comes back with its cursor and is sent the rest as it reads.
        let cursors = json!([{ "topic": format!("conversation:{room}"), "epoch": epoch, "seq": 1 }]);
        let hello = json!({ "token": slow_token, "cursors": cursors });
        let mut slow = Client::open_with(&server.base(), kind, hello).await;
        for n in 0..400 {
            assert_eq!(slow.expect("message:new").await["seq"], n + 2);
        }
    }
}

/// The lane has room, but what waits on it gets too old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_for_too_long_is_closed() {
    let server = TestServer::with(|config| {
        config.limits.ordered_bytes = 64 * 1024 * 1024;
        as_many_messages_as_there_are(config);
        config.session.write_timeout_ms = 300;
    })
    .await;
    for kind in BOTH {
        let mut chief = server.client(kind, "chief", "admin").await;
        let room = create(&mut chief, &format!("w-{kind:?}"), &["slow"]).await;
        let _slow = Reluctant::open(&server.base(), kind, &token("slow", "acme", "agent", &[])).await;
        let closed = server.metric("fanfare_closed").await;
        let text = "x".repeat(16 * 1000);
        for n in 0..400 {
            say(&mut chief, &room, &format!("m{n}"), &text).await;
        }
        until("it is closed", async || server.metric("fanfare_closed").await > closed).await;
        chief.close().await;
    }
}
