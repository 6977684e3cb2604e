//! Whose a connection is, by its address: who is believed about it, and what is charged to it.

use std::net::{Ipv4Addr, SocketAddr};

use http::HeaderMap;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};
use web_transport_quinn::quinn;

use crate::{
    session::limits::assert_wait,
    support::{
        client::{Client, Kind, open_session, quic_config, write_frame},
        harness::{TestServer, ask, http_get, token},
        udp_proxy::{Back, Tap, udp},
    },
};

#[tokio::test]
async fn tokens_cannot_be_guessed_for_long() {
    let server = TestServer::with(|config| {
        config.limits.failures_per_minute_per_ip = 6;
        config.limits.connections_per_ip = 20;
        config.limits.attempts_per_second_per_ip = 10_000;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.exempt.clear();
    })
    .await;
    let base = server.base();
    let host = base.replace("http://", "");
    // Behind a trusted proxy each may have an address of its own, also on this machine.
    let guess = async |address: &str, token: &str| {
        use futures::{SinkExt, StreamExt};
        use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
        let mut request = format!("ws://{host}/ws").into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
        let Ok((mut socket, _)) = tokio_tungstenite::connect_async(request).await else { return None };
        let hello = json!({ "event": "authenticate", "data": { "token": token } }).to_string();
        socket.send(Message::text(hello)).await.unwrap();
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!() };
        Some(text.contains("authenticated"))
    };
    let good = token("ann", "acme", "member", &[]);
    let mut guesses = 0;
    while guess("192.0.2.1", "a.b.c").await.is_some() {
        guesses += 1;
        assert!(guesses < 200, "nothing is ever refused");
    }
    assert!((20..30).contains(&guesses), "{guesses}");
    assert_eq!(guess("192.0.2.1", &good).await, None, "nobody comes from there now");
    let forwarded = [("x-forwarded-for", "192.0.2.1"), ("authorization", &format!("Bearer {good}"))];
    assert_eq!(ask(&base, "GET", "/api/v1/me", &forwarded, "").await.status, 429);
    assert_eq!(guess("192.0.2.2", &good).await, Some(true), "others do");
    server.pass(20_000);
    assert_eq!(guess("192.0.2.1", &good).await, Some(true), "and so does it, some time later");
    // An expired token is nobody's guess.
    let past = crate::security::invalid_input::signed(
        &json!({ "sub": "ann", "org": "acme", "roles": ["member"], "exp": 1_700_000_000 }),
    );
    for _ in 0..50 {
        assert_eq!(guess("192.0.2.3", &past).await, Some(false));
    }
}

/// The same by QUIC, of which each address is seen by its packets.
#[tokio::test]
async fn tokens_cannot_be_guessed_by_quic() {
    let server = TestServer::with(|config| {
        config.limits.failures_per_minute_per_ip = 6;
        config.limits.connections_per_ip = 20;
        config.limits.attempts_per_second_per_ip = 10_000;
        config.limits.exempt.clear();
    })
    .await;
    let told: Value = serde_json::from_str(&http_get(&server.base(), "/api/v1/transport").await).unwrap();
    // Whether the token was good; nothing where nobody listened.
    let guess = async |last: u8, token: &str| {
        let tap = Tap::start(udp(&told), Ipv4Addr::new(127, 0, 2, last), usize::MAX, Back::All).await;
        let session = open_session(&tap.in_place(&told)).await.ok()?;
        let (mut commands, _) = session.open_bi().await.ok()?;
        let hello = json!({ "event": "authenticate", "data": { "token": token } }).to_string();
        write_frame(&mut commands, hello.as_bytes()).await;
        loop {
            let mut stream = session.accept_uni().await.ok()?;
            let (mut lane, mut length) = ([0], [0; 4]);
            stream.read_exact(&mut lane).await.ok()?;
            if lane == [0] {
                stream.read_exact(&mut length).await.ok()?;
                let mut answer = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut answer).await.ok()?;
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                assert!(
                    answer["event"] == "authenticated" || answer["data"]["code"] == "AUTH_FAILED",
                    "{answer}"
                );
                return Some(answer["event"] == "authenticated");
            }
        }
    };
    let good = token("ann", "acme", "member", &[]);
    let mut guesses = 0;
    while guess(1, "a.b.c").await.is_some() {
        guesses += 1;
        assert!(guesses < 200, "nothing is ever refused");
    }
    assert!((20..30).contains(&guesses), "{guesses}");
    assert_eq!(guess(1, &good).await, None, "nobody comes from there now");
    assert_eq!(guess(2, &good).await, Some(true), "others do");
    server.pass(20_000);
    assert_eq!(guess(1, &good).await, Some(true), "and so does it, some time later");
}

/// Whoever finishes QUIC's handshake and asks for nothing is charged as anybody else.
#[tokio::test]
async fn handshakes_that_lead_nowhere_are_counted() {
    let server = TestServer::with(|config| {
        config.limits.exempt = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.attempts_per_second_per_ip = 1;
        config.limits.connections_per_ip = 3;
    })
    .await;
    let told: Value = serde_json::from_str(&http_get(&server.base(), "/api/v1/transport").await).unwrap();
    let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let mut open = Vec::new();
    // As many as it takes, however slowly: each attempt is forgiven a second later.
    while server.metric("fanfare_turned_away").await == 0.0 {
        let mut more = Vec::new();
        for _ in 0..10 {
            let tap = Tap::start(udp(&told), Ipv4Addr::new(127, 0, 3, 1), usize::MAX, Back::All).await;
            let connecting = endpoint.connect_with(quic_config(&told), tap.address, "localhost").unwrap();
            more.push(async move { (connecting.await, tap) });
        }
        open.extend(futures::future::join_all(more).await);
        assert!(open.len() < 200, "nothing is ever refused");
    }
    let tap = Tap::start(udp(&told), Ipv4Addr::new(127, 0, 3, 2), usize::MAX, Back::All).await;
    open_session(&tap.in_place(&told)).await.expect("another address");
}

#[tokio::test]
async fn proxies_that_are_trusted_tell_whose_a_connection_is() {
    use tokio_tungstenite::tungstenite::{Error, client::IntoClientRequest};
    let server = TestServer::with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.attempts_per_second_per_ip = 1;
        config.limits.failures_per_minute_per_ip = 1;
        config.limits.connections_per_ip = 2;
    })
    .await;
    let url = format!("{}/ws", server.base().replace("http", "ws"));
    let connect = async |forwarded: &str| {
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => {
                let body: Value =
                    serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap();
                assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
                Err((response.status().as_u16(), body))
            }
            Err(error) => panic!("{error}"),
        }
    };
    // What the client wrote itself comes first, and is not believed.
    let mut refused = None;
    for n in 0..100 {
        refused = connect(&format!("198.51.100.{n}, 192.0.2.1")).await.err();
        if refused.is_some() {
            break;
        }
    }
    let (status, error) = refused.expect("a limit");
    assert_eq!(status, 429);
    assert_wait(&error, "too many attempts from this address", 1000);
    connect("192.0.2.2").await.unwrap();
    let forwarded = [("x-forwarded-for", "192.0.2.1"), ("authorization", "Bearer a.b.c")];
    for status in [401, 401, 429] {
        assert_eq!(ask(&server.base(), "GET", "/api/v1/me", &forwarded, "").await.status, status);
    }
    server.pass(5000);
    let more = connect("192.0.2.1").await;
    assert_eq!(more.unwrap_err().1["message"], "too many refused tokens from this address");
}

/// QUIC's packets show where they are from, and no header of a session changes that, also not of one whose address is a
/// proxy's.
#[tokio::test]
async fn by_quic_nobody_is_believed_about_an_address() {
    let server = TestServer::with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.attempts_per_second_per_ip = 1;
        config.limits.connections_per_ip = 2;
    })
    .await;
    let forwarded =
        HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), "192.0.2.1".parse().unwrap())]);
    // They are the proxy's own, which are not counted; of a WebSocket, they are somebody's who comes too often.
    for _ in 0..10 {
        Client::connect_with(&server.base(), Kind::WebTransport, forwarded.clone())
            .await
            .unwrap()
            .close()
            .await;
    }
    let mut refused = 0;
    for _ in 0..10 {
        refused += usize::from(
            Client::connect_with(&server.base(), Kind::WebSocket, forwarded.clone()).await.is_err(),
        );
    }
    assert!(refused > 0, "the header is one that counts where it is believed");
}

/// However few connections they come by, and whatever is asked for.
#[tokio::test]
async fn an_address_that_asks_too_often_by_http_is_told_when_to_come_back() {
    let server = TestServer::with(|config| {
        config.limits.exempt = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.requests_per_second_per_ip = 1;
        config.limits.connections_per_ip = 20;
        config.origins = vec!["https://app.example".into()];
    })
    .await;
    let host: SocketAddr = server.base().replace("http://", "").parse().unwrap();
    // All that one connection is answered. It asks for more than it may, without waiting.
    let answers = async |last: u8, path: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 3, last), 0).into()).unwrap();
        let mut stream = socket.connect(host).await.unwrap();
        let one = format!("GET {path} HTTP/1.1\r\nhost: a\r\norigin: https://app.example\r\n\r\n");
        let _ = stream.write_all(one.repeat(60).as_bytes()).await;
        let mut answers = Vec::new();
        // It may be reset, as not all was read that was sent.
        let mut chunk = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            answers.extend_from_slice(&chunk[..read]);
        }
        String::from_utf8_lossy(&answers).to_lowercase()
    };
    let paths = ["/health/live", "/metrics", "/api/v1/transport", "/no-such-file", "/api/v1/me"];
    for (path, last) in paths.into_iter().zip(1..) {
        let told = answers(last, path).await;
        let heads = told.matches("http/1.1 ").count();
        assert!((41..=60).contains(&heads), "{path}: {heads} answers");
        let (_, refusal) = told.split_once("http/1.1 429 ").unwrap_or_else(|| panic!("{path}: {told}"));
        assert!(refusal.contains("retry-after: 1\r\n"), "{path}: {refusal}");
        assert!(refusal.contains("connection: close\r\n"), "{path}: {refusal}");
        assert!(refusal.contains("rate_limit_exceeded"), "{path}: {refusal}");
        let readable = refusal.contains("access-control-allow-origin: https://app.example\r\n");
        assert_eq!(readable, path.starts_with("/api/"), "{path}: {refusal}");
    }
    let again = answers(1, "/health/live").await.matches("http/1.1 200").count();
    assert!(again < 30, "another connection is no way around it: {again}");
    assert!(answers(200, "/health/live").await.contains("http/1.1 200"), "another address");
    server.pass(10_000);
    assert!(answers(1, "/health/live").await.contains("http/1.1 200"), "some time later");
}
