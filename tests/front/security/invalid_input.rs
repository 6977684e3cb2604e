//! Bad input: a clear answer, bounded cost, never a panic, and in the end the door.

use fanfare_proto::frame;
use serde_json::{Value, json};

use crate::support::{
    client::{BOTH, Client, Got, Kind},
    harness::{SECRET, TestServer, token},
};

#[tokio::test]
async fn malformed_input_is_answered_by_code() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let deep = format!("{{\"event\":\"client:ping\",\"data\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        let bad = [
            "nonsense",
            "[]",
            "{}",
            r#"{"event":5}"#,
            r#"{"event":"no:such","id":1}"#,
            r#"{"event":"message:send","id":2,"data":{"client_id":"a","conversation_id":"b"}}"#,
            r#"{"event":"message:send","id":3,"data":{"client_id":"a b","conversation_id":"c","text":"x"}}"#,
            r#"{"event":"message:send","id":4,"data":{"client_id":"a","conversation_id":"c","text":""}}"#,
            r#"{"event":"message:read","id":5,"data":{"conversation_id":"c","seq":-1}}"#,
            r#"{"event":"message:read","id":6,"data":{"conversation_id":"c","seq":1e999}}"#,
            r#"{"event":"authenticate","id":7,"data":{"token":"x"}}"#,
            deep.as_str(),
        ];
        for text in bad {
            ann.send_text(text).await;
            let error = ann.expect("error").await;
            assert_eq!(error["data"]["code"], "INVALID_MESSAGE", "{text:.80}");
            let sent: Result<Value, _> = serde_json::from_str(text);
            if let Ok(id) = sent.map(|sent| sent["id"].clone())
                && !id.is_null()
            {
                assert_eq!(error["re"], id, "the answer names the request");
            }
        }
        // Still there.
        ann.request("client:ping", json!({})).await.unwrap();
        let mut agent = server.client(kind, "agent", "agent").await;
        // The protocol says that these are ignored.
        for packet in [vec![9, 9, 9], vec![1], vec![1, 255, 255, 255, 255, 255], vec![0; 1000], vec![1, 0, 0]]
        {
            agent.send_packet(packet).await;
        }
        assert_eq!(agent.drain("error").await, [json!(null); 0]);
        // Of a later protocol, perhaps.
        ann.send_packet(vec![2, 0]).await;
        assert_eq!(ann.drain("error").await, [json!(null); 0]);
        ann.send_packet(vec![1, 0]).await;
        assert_eq!(ann.expect("error").await["data"]["code"], "UNAUTHORIZED", "only agents send positions");
        ann.request("client:ping", json!({})).await.unwrap();
    }
}

/// What the protocol says is ignored is no offence either.
#[tokio::test]
async fn packets_that_are_ignored_close_nothing() {
    let server = TestServer::with(|config| config.limits.strikes_per_minute = 3).await;
    for kind in BOTH {
        let mut agent = server.client(kind, "agent", "agent").await;
        for _ in 0..20 {
            agent.send_packet(vec![2, 1, 7]).await;
            agent.send_packet(vec![1, 1]).await;
        }
        agent.request("client:ping", json!({})).await.unwrap();
    }
}

/// Without content, and not for nothing: a WebSocket's pings among them.
#[tokio::test]
async fn endless_signs_of_life_close_the_connection() {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    let server = TestServer::with(|config| {
        config.limits.strikes_per_minute = 10;
        config.limits.messages_per_second = 10;
    })
    .await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        for _ in 0..200 {
            ann.send_text("").await;
        }
        assert_eq!(ann.expect_close_after_errors().await.0, 4201, "{kind:?}");
    }
    let url = format!("{}/ws", server.base().replace("http", "ws"));
    for ping in [Message::Ping("x".into()), Message::Pong("x".into())] {
        let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
        let hello =
            json!({ "event": "authenticate", "data": { "token": token("bob", "acme", "member", &[]) } });
        socket.send(Message::text(hello.to_string())).await.unwrap();
        // Some are allowed.
        for _ in 0..10 {
            socket.send(ping.clone()).await.unwrap();
        }
        let alive = json!({ "event": "client:ping", "id": 1 }).to_string();
        socket.send(Message::text(alive)).await.unwrap();
        let answered =
            async |message: &Message| matches!(message, Message::Text(text) if text.contains("client:pong"));
        while !answered(&socket.next().await.expect("it is open").unwrap()).await {}
        for _ in 0..200 {
            let _ = socket.send(ping.clone()).await;
        }
        let closed = loop {
            if let Message::Close(frame) = socket.next().await.expect("a close comes").unwrap() {
                break frame.unwrap();
            }
        };
        assert_eq!(u16::from(closed.code), 4201);
    }
}

#[tokio::test]
async fn who_says_nothing_at_length_is_closed() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut nobody = Client::connect(&server.base(), kind).await;
        for _ in 0..300 {
            nobody.send_text("").await;
        }
        assert_eq!(nobody.expect_close_after_errors().await.0, 4203, "{kind:?}");
    }
}

/// A message in very many frames costs its sender little, and the server as much as very many messages.
#[tokio::test]
async fn a_message_in_too_many_frames_ends_the_connection() {
    let server = TestServer::start().await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    ann.begin(b"{", 0).await;
    for _ in 0..1100 {
        ann.go_on(b"").await;
    }
    assert_eq!(ann.expect_close_after_errors().await.0, 4203);
}

#[tokio::test]
async fn a_first_message_that_is_too_large_is_told_so() {
    let server = TestServer::start().await;
    for kind in BOTH {
        for size in [70_000, 1_000_000] {
            let mut nobody = Client::connect(&server.base(), kind).await;
            let hello = json!({ "event": "authenticate", "data": { "token": "x".repeat(size) } });
            nobody.send(&hello).await;
            assert_eq!(nobody.expect("error").await["data"]["code"], "MESSAGE_TOO_LARGE", "{kind:?} {size}");
            assert_eq!(nobody.expect_close().await, (4202, "message too large".into()), "{kind:?} {size}");
        }
    }
}

#[tokio::test]
async fn repeated_abuse_closes_for_good() {
    let server = TestServer::with(|config| config.limits.strikes_per_minute = 10).await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        for _ in 0..11 {
            ann.send_text("nonsense").await;
        }
        assert_eq!(
            ann.expect_close_after_errors().await,
            (4201, "too many invalid messages".into()),
            "{kind:?}"
        );
    }
}

/// The client of applications takes the server's word for it. The one for browsers has the same test.
#[tokio::test]
async fn a_client_that_is_closed_for_good_stays_away() {
    use fanfare_client::{Client, CloseReason, Config, Error, Preference, Transport};
    let server = TestServer::with(|config| config.limits.strikes_per_minute = 10).await;
    for transport in [Transport::WebTransport, Transport::WebSocket] {
        let device = format!("{transport:?}").parse().unwrap();
        let config = Config::new(server.base(), token("ann", "acme", "member", &[]), device);
        let (client, _events) = Client::connect(config.transport(Preference::Only(transport))).unwrap();
        client.opened().await.unwrap();
        let mut offences = 0;
        let end = loop {
            match client.send_message("nowhere".parse().unwrap(), "hello").await {
                Err(Error::Refused(_)) if offences < 10_000 => offences += 1,
                other => break other,
            }
        };
        assert!(matches!(end, Err(Error::Closed)), "{end:?}");
        // Some more are answered while the connection ends.
        assert!(offences >= 10, "{offences}");
        let told = CloseReason::Server { code: 4201, reason: "too many invalid messages".into() };
        assert_eq!(client.opened().await, Err(told), "{transport:?}: it has ended, and tries nothing more");
        assert_eq!(client.stats().sessions, 1, "{transport:?}, {offences}");
        crate::session::closing::until_empty(&server).await;
    }
}

#[tokio::test]
async fn too_many_messages_are_told_when_to_go_on() {
    let server = TestServer::with(|config| config.limits.messages_per_second = 5).await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        let mut limited = None;
        for _ in 0..20 {
            if let Err(error) = ann.request("client:ping", json!({})).await {
                limited = Some(error);
                break;
            }
        }
        let error = limited.expect("a limit");
        assert_eq!(error["code"], "RATE_LIMIT_EXCEEDED");
        let wait = error["retry_after_ms"].as_u64().unwrap();
        assert!((1..=200).contains(&wait), "{wait}");
        server.pass(wait);
        ann.request("client:ping", json!({})).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_connection() {
    let server = TestServer::with(|config| config.limits.message_bytes = 8192).await;
    for kind in BOTH {
        let mut ann = server.client(kind, "ann", "member").await;
        match kind {
            // Only the header: the promise alone is refused.
            Kind::WebTransport => ann.send_raw(&u32::MAX.to_be_bytes()).await,
            Kind::WebSocket => ann.send_text(&"x".repeat(8193)).await,
        }
        assert_eq!(ann.expect("error").await["data"]["code"], "MESSAGE_TOO_LARGE");
        assert_eq!(ann.expect_close().await.0, 4202);
        // Just below is a message like any other.
        let mut ann = server.client(kind, "ann", "member").await;
        ann.send_text(&"x".repeat(8192)).await;
        assert_eq!(ann.expect("error").await["data"]["code"], "INVALID_MESSAGE");
    }
    assert_eq!(frame::HEADER, 4);
}

#[tokio::test]
async fn only_a_good_token_opens() {
    let server = TestServer::start().await;
    let good = token("ann", "acme", "member", &[]);
    let parts: Vec<&str> = good.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let forged = [
        String::new(),
        "x".into(),
        "a.b.c".into(),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], "AAAA"),
        "x".repeat(9000),
        signed(&json!({ "sub": "ann", "roles": ["member"], "exp": 4_102_444_800u64 })),
        signed(&json!({ "sub": "ann", "org": "acme", "roles": ["member"] })),
        signed(&json!({ "sub": "ann", "org": "acme", "roles": ["king"], "exp": 4_102_444_800u64 })),
        signed(&json!({ "sub": "a\n", "org": "acme", "roles": ["member"], "exp": 4_102_444_800u64 })),
        signed(
            &json!({ "sub": "ann", "org": "acme", "roles": ["member"], "exp": 4_102_444_800u64, "aud": "else" }),
        ),
    ];
    for kind in BOTH {
        for token in &forged {
            let mut client = Client::connect(&server.base(), kind).await;
            client.send(&json!({ "event": "authenticate", "id": 1, "data": { "token": token } })).await;
            let error = client.expect("error").await;
            let code = error["data"]["code"].as_str().unwrap();
            assert!(["AUTH_FAILED", "INVALID_MESSAGE"].contains(&code), "{token:.60}: {code}");
            assert_eq!(client.expect_close().await.0, 4200);
        }
        let expired =
            signed(&json!({ "sub": "ann", "org": "acme", "roles": ["member"], "exp": 1_700_000_000u64 }));
        let mut client = Client::connect(&server.base(), kind).await;
        client.send(&json!({ "event": "authenticate", "id": 1, "data": { "token": expired } })).await;
        assert_eq!(client.expect("error").await["data"]["code"], "TOKEN_EXPIRED");
        assert_eq!(client.expect_close().await.0, 4003);
        let mut client = Client::connect(&server.base(), kind).await;
        client.send(&json!({ "event": "message:send", "id": 1, "data": {} })).await;
        client.expect("error").await;
        assert_eq!(client.expect_close().await.0, 4200, "nothing but authenticate is heard");
        drop(Client::open(&server.base(), kind, &good).await);
    }
}

pub fn signed(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

#[tokio::test]
async fn there_is_room_for_so_many_connections() {
    let server = TestServer::with(|config| config.limits.connections = 3).await;
    for kind in BOTH {
        let mut inside = Vec::new();
        for n in 0..3 {
            inside.push(server.client(kind, &format!("u{n}"), "member").await);
        }
        let mut one_more = Client::connect(&server.base(), kind).await;
        one_more.send(&hello("u9", "acme")).await;
        let error = one_more.expect("error").await;
        assert_eq!(error["re"], "hello");
        assert_eq!(error["data"]["code"], "CONNECTION_LIMIT");
        assert_eq!(error["data"]["retry_after_ms"], 5000);
        assert_eq!(one_more.expect_close().await.0, 4101);
        for client in inside {
            client.close().await;
        }
        crate::session::closing::until_empty(&server).await;
    }
}

fn hello(user: &str, org: &str) -> Value {
    json!({ "event": "authenticate", "id": "hello", "data": { "token": token(user, org, "member", &[]) } })
}

impl Client {
    /// Why the server closed, after any number of errors.
    async fn expect_close_after_errors(&mut self) -> (u32, String) {
        loop {
            if let Got::Closed(code, reason) = self.next().await {
                return (code, reason);
            }
        }
    }
}
