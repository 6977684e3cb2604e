//! Ends: noticed, told, and nothing left behind.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    client::{BOTH, Client, Kind},
    harness::{Process, TestServer, metric, token},
};

/// Waits until the server counts no connection.
pub async fn until_empty(server: &TestServer) {
    let start = Instant::now();
    while metric(&server.base(), "fanfare_connections").await > 0.0 {
        assert!(start.elapsed() < Duration::from_secs(10), "connections stay");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_closed_connection_is_noticed_at_once() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let client = server.client(kind, "ann", "member").await;
        assert!(server.metric("fanfare_connections").await > 0.0);
        client.close().await;
        // Not by its silence, which would take 30 s at least.
        until_empty(&server).await;
    }
}

#[tokio::test]
async fn whoever_does_not_authenticate_in_time_is_told() {
    let server = TestServer::with(|config| config.session.auth_timeout_ms = 200).await;
    for kind in BOTH {
        let mut client = Client::connect(&server.base(), kind).await;
        assert_eq!(client.expect("error").await["data"]["code"], "AUTH_FAILED");
        assert_eq!(client.expect_close().await, (4100, "not authenticated in time".into()));
    }
    until_empty(&server).await;
}

#[tokio::test]
async fn the_silent_are_asked_and_then_closed() {
    let server = TestServer::with(|config| {
        config.session.heartbeat_ms = 200;
        config.session.silence_ms = 500;
    })
    .await;
    for kind in BOTH {
        let mut quiet = server.client(kind, "quiet", "member").await;
        let mut polite = server.client(kind, "polite", "member").await;
        for _ in 0..4 {
            let ping = polite.expect("server:ping").await;
            assert_eq!(
                ping["data"]["pos"][0]["topic"], "notice:all",
                "positions are told with each heartbeat"
            );
            polite.send(&json!({ "event": "server:pong" })).await;
        }
        assert!(!quiet.expect("server:ping").await.is_null());
        assert_eq!(quiet.expect_close().await, (4002, "silent for too long".into()));
        polite.request("client:ping", json!({})).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let mut server = TestServer::start().await;
    let mut clients = Vec::new();
    for kind in BOTH {
        clients.push(server.client(kind, "ann", "member").await);
    }
    server.stop().await;
    for mut client in clients {
        assert_eq!(client.expect_close().await, (4000, "going away".into()));
    }
}

#[tokio::test]
async fn a_token_may_come_with_the_handshake_of_a_websocket() {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
    let server = TestServer::start().await;
    let url = format!("{}/ws", server.base().replace("http", "ws"));
    let token = token("ann", "acme", "member", &[]);
    for by_header in [true, false] {
        let mut request = url.as_str().into_client_request().unwrap();
        if by_header {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        } else {
            let protocols = format!("fanfare, bearer.{token}");
            request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
        }
        let (mut socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
        if !by_header {
            assert_eq!(response.headers()["sec-websocket-protocol"], "fanfare", "the token is not echoed");
        }
        socket.send(Message::text(r#"{"event":"authenticate"}"#)).await.unwrap();
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!() };
        assert!(text.contains(r#""event":"authenticated""#), "{text}");
    }
}

/// A client of a server that was killed and is back learns it from the first packet that it sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_an_earlier_life_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path()).await;
    let token = token("ann", "acme", "member", &[]);
    let mut client = Client::open(&server.base, Kind::WebTransport, &token).await;
    let _server = server.kill_and_restart_here().await;
    let start = Instant::now();
    client.send(&json!({ "event": "client:ping" })).await;
    client.expect_close().await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
