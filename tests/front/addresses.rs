//! Whose a connection is, by its address: who is believed about it, and what is charged to it.

use std::net::Ipv4Addr;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    client::{Client, Kind, open_session, write_frame},
    harness::{TestServer, ask, http_get, token},
    limits::assert_wait,
    tap::{Back, Tap, udp},
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
    let past = crate::abuse::signed(
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
