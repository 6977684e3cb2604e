//! What there may be of anything: told by its code, with the time to wait, and the same on both transports.

use serde_json::{Value, json};

use crate::{
    chat::conversations::create,
    support::{
        client::{BOTH, Client, Got, Kind},
        harness::{TestServer, ask_as, token},
    },
};

fn hello(user: &str, org: &str) -> Value {
    json!({ "event": "authenticate", "id": "hello", "data": { "token": token(user, org, "member", &[]) } })
}

async fn turned_away(server: &TestServer, kind: Kind, user: &str, org: &str, why: &str) {
    let mut client = Client::connect(&server.base(), kind).await;
    client.send(&hello(user, org)).await;
    let error = client.expect("error").await;
    assert_eq!(error["re"], "hello");
    let told = json!({ "code": "CONNECTION_LIMIT", "message": why, "retry_after_ms": 5000 });
    assert_eq!(error["data"], told, "{kind:?}");
    assert_eq!(client.expect_close().await, (4101, "too many connections".into()), "{kind:?}");
}

#[tokio::test]
async fn users_organisations_and_addresses_have_so_many_connections() {
    let server = TestServer::with(|config| {
        config.limits.exempt.clear();
        config.limits.connections_per_user = 2;
        config.limits.connections_per_organisation = 3;
        config.limits.connections_per_ip = 4;
        config.limits.attempts_per_second_per_ip = 1000;
    })
    .await;
    for kind in BOTH {
        let open = async |user: &str, org: &str| {
            server.pass(1000);
            Client::open(&server.base(), kind, &token(user, org, "member", &[])).await
        };
        let mut inside = vec![open("ann", "acme").await, open("ann", "acme").await];
        server.pass(1000);
        turned_away(&server, kind, "ann", "acme", "too many connections of this user").await;
        inside.push(open("bob", "acme").await);
        server.pass(1000);
        turned_away(&server, kind, "carl", "acme", "too many connections of this organisation").await;
        // The same name elsewhere is somebody else.
        inside.push(open("ann", "globex").await);
        server.pass(1000);
        turned_away(&server, kind, "bob", "globex", "too many connections from this address").await;
        for client in inside {
            client.close().await;
        }
        crate::session::closing::until_empty(&server).await;
        open("ann", "acme").await.close().await;
        crate::session::closing::until_empty(&server).await;
    }
}

/// Sends requests until one is refused; answers the refusal.
async fn until_refused(client: &mut Client, mut request: impl FnMut(u32) -> (&'static str, Value)) -> Value {
    for n in 0..100 {
        let (event, data) = request(n);
        if let Err(error) = client.request(event, data).await {
            return error;
        }
    }
    panic!("nothing is ever refused");
}

fn ping(_: u32) -> (&'static str, Value) {
    ("client:ping", json!({}))
}

pub fn assert_wait(error: &Value, message: &str, longest_ms: u64) -> u64 {
    assert_eq!((&error["code"], &error["message"]), (&json!("RATE_LIMIT_EXCEEDED"), &json!(message)));
    let wait = error["retry_after_ms"].as_u64().unwrap();
    assert!((1..=longest_ms).contains(&wait), "{message}: {wait}");
    wait
}

#[tokio::test]
async fn a_user_has_so_many_messages_whatever_the_device() {
    let server = TestServer::with(|config| config.limits.messages_per_second_per_user = 5).await;
    for kind in BOTH {
        let user = format!("ann-{kind:?}");
        let mut devices =
            [server.client(kind, &user, "member").await, server.client(kind, &user, "member").await];
        for _ in 0..5 {
            for device in &mut devices {
                if device.request("client:ping", json!({})).await.is_err() {
                    break;
                }
            }
        }
        let error = until_refused(&mut devices[0], ping).await;
        let wait = assert_wait(&error, "too many messages of this user", 200);
        let other = &mut server.client(kind, "somebody", "member").await;
        other.request("client:ping", json!({})).await.expect("others are not concerned");
        server.pass(wait);
        devices[1].request("client:ping", json!({})).await.unwrap();
        // The API draws on the same share.
        server.pass(2000);
        let mut answer = None;
        for _ in 0..30 {
            let asked =
                ask_as(&server.base(), &token(&user, "acme", "member", &[]), "GET", "/api/v1/me", "").await;
            if asked.status != 200 {
                answer = Some(asked);
                break;
            }
        }
        let answer = answer.expect("a limit");
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
        assert_wait(&answer.json(), "too many messages of this user", 200);
    }
}

#[tokio::test]
async fn an_organisation_has_so_many_messages_whoever_sends_them() {
    let server = TestServer::with(|config| config.limits.messages_per_second_per_organisation = 5).await;
    for kind in BOTH {
        server.pass(10_000);
        let mut ann = server.client(kind, "ann", "member").await;
        let mut bob = server.client(kind, "bob", "member").await;
        let other = &mut Client::open(&server.base(), kind, &token("ann", "globex", "member", &[])).await;
        until_refused(&mut ann, ping).await;
        let error = until_refused(&mut bob, ping).await;
        let wait = assert_wait(&error, "too many messages of this organisation", 200);
        other.request("client:ping", json!({})).await.expect("others are not concerned");
        server.pass(wait);
        bob.request("client:ping", json!({})).await.unwrap();
    }
}

#[tokio::test]
async fn notices_conversations_and_refreshes_have_limits_of_their_own() {
    let server = TestServer::with(|config| {
        config.limits.broadcasts_per_minute_per_user = 3;
        config.limits.conversations_per_minute_per_user = 4;
        config.limits.refreshes_per_minute = 5;
    })
    .await;
    for kind in BOTH {
        let user = format!("chief-{kind:?}");
        let mut chief = server.client(kind, &user, "admin").await;
        let notice = |n: u32| {
            (
                "system:broadcast",
                json!({ "client_id": format!("{kind:?}-{n}"), "message": "…", "priority": "high" }),
            )
        };
        let wait =
            assert_wait(&until_refused(&mut chief, notice).await, "too many notices of this user", 20_000);
        let group = |n: u32| {
            let client_id = format!("{kind:?}-{n}");
            (
                "conversation:create",
                json!({ "client_id": client_id, "kind": "group", "title": "x", "members": ["bob"] }),
            )
        };
        assert_wait(&until_refused(&mut chief, group).await, "too many conversations created", 15_000);
        let fresh = token(&user, "acme", "admin", &[]);
        let refresh = |_| ("token:refresh", json!({ "token": fresh }));
        assert_wait(&until_refused(&mut chief, refresh).await, "too many token refreshes", 12_000);
        chief.request("client:ping", json!({})).await.expect("everything else goes on");
        server.pass(wait);
        let (event, data) = notice(1000);
        chief.request(event, data).await.unwrap();
    }
}

/// Whoever has spent all that there is to spend can still raise an alarm, on every connection, and is not heard for less.
#[tokio::test]
async fn an_alarm_can_always_be_raised() {
    let server = TestServer::with(|config| {
        config.limits.messages_per_second = 2;
        config.limits.messages_per_second_per_organisation = 5;
        config.limits.broadcasts_per_minute_per_user = 1;
        config.limits.urgent_per_minute_per_user = 3;
    })
    .await;
    for kind in BOTH {
        server.pass(60_000);
        let mut chief = server.client(kind, "chief", "admin").await;
        let notice = |id: &str, priority: &str| json!({ "client_id": format!("{id}-{kind:?}"), "message": id, "priority": priority });
        until_refused(&mut chief, ping).await;
        for n in 0..3 {
            let alarm = notice(&format!("fire{n}"), "urgent");
            chief.request("system:broadcast", alarm).await.unwrap_or_else(|e| panic!("{kind:?} {n}: {e}"));
        }
        for priority in ["high", "urgent"] {
            let refused = chief.request("system:broadcast", notice("more", priority)).await.unwrap_err();
            assert_eq!(refused["code"], "RATE_LIMIT_EXCEEDED", "{priority}");
        }
        if kind == Kind::WebTransport {
            server.pass(20_000);
            until_refused(&mut chief, ping).await;
            let alarm = json!({ "event": "system:broadcast", "id": "a", "data": notice("flood", "urgent") });
            chief.send_urgent(&alarm).await;
            let answer = chief.wait(|got| matches!(got, Got::Event(1, e) if e["re"] == "a")).await;
            assert!(matches!(answer, Got::Event(1, e) if e["event"] == "reply"), "on its own stream as well");
        }
    }
}

/// Far more than allowed at once, and each again when it was told to: all are done, and nobody is closed for it.
#[tokio::test]
async fn who_waits_as_told_is_never_closed() {
    let server = TestServer::with(|config| config.limits.strikes_per_minute = 5).await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let (mut waiting, mut refusals) = (600, 0);
        while waiting > 0 {
            let mut sent = Vec::new();
            for _ in 0..waiting {
                sent.push(ann.send_request("client:ping", json!({})).await);
            }
            let mut longest = 0;
            waiting = 0;
            for id in sent {
                if let Err(error) = ann.answer(id).await {
                    assert_eq!(error["code"], "RATE_LIMIT_EXCEEDED");
                    longest = longest.max(error["retry_after_ms"].as_u64().unwrap());
                    waiting += 1;
                }
            }
            refusals += waiting;
            server.pass(longest);
        }
        assert!(refusals > 200, "{kind:?}: only {refusals} were refused");
    }
}

#[tokio::test]
async fn who_does_not_wait_is_closed_for_good() {
    let server = TestServer::with(|config| {
        config.limits.messages_per_second = 5;
        config.limits.strikes_per_minute = 20;
    })
    .await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        for _ in 0..1100 {
            ann.send_text(r#"{"event":"client:ping"}"#).await;
        }
        let closed = loop {
            if let Got::Closed(code, reason) = ann.next().await {
                break (code, reason);
            }
        };
        assert_eq!(closed, (4201, "too many invalid messages".into()), "{kind:?}");
    }
}

#[tokio::test]
async fn a_conversation_has_so_many_members() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let members: Vec<_> = (0..1000).map(|n| format!("m{n}")).collect();
        let data = json!({ "client_id": "c", "kind": "group", "title": "all", "members": members });
        assert_eq!(ann.request("conversation:create", data).await.unwrap_err()["code"], "ROOM_FULL");
        create(&mut ann, &format!("some-{kind:?}"), &["bob"]).await;
    }
}

/// Before somebody has said who they are, less is taken from them.
#[tokio::test]
async fn a_stranger_may_not_say_much() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut stranger = Client::connect(&server.base(), kind).await;
        match kind {
            Kind::WebTransport => stranger.send_raw(&65_537_u32.to_be_bytes()).await,
            Kind::WebSocket => stranger.send_text(&"x".repeat(100_000)).await,
        }
        let error = stranger.expect("error").await;
        assert_eq!(error["data"]["code"], "MESSAGE_TOO_LARGE", "{kind:?}");
        assert_eq!(stranger.expect_close().await.0, 4202, "{kind:?}");
        // A greeting with a hundred cursors is no matter, nor is much more afterwards.
        let mut ann = Client::connect(&server.base(), kind).await;
        let cursor =
            |n| json!({ "topic": format!("conversation:{}", format!("{n:0>100}")), "epoch": 1, "seq": n });
        let cursors: Vec<_> = (0..100).map(cursor).collect();
        ann.authenticate(json!({ "token": token("ann", "acme", "member", &[]), "cursors": cursors })).await;
        let text = format!(r#"{{"event":"client:ping","id":7,"data":{{"x":"{}"}}}}"#, "x".repeat(500_000));
        ann.send_text(&text).await;
        ann.answer(7).await.unwrap();
    }
}
