//! Where clients are sent to: by configuration, by trusted proxies, or by what they call the server; and nowhere else.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::harness::{Answered, TestServer, ask, token};

/// A request with exactly these lines.
async fn raw(base: &str, lines: &str) -> Answered {
    let host = base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    stream.write_all(format!("{lines}connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    Answered {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        headers: head.lines().filter_map(header).collect(),
        body: body.to_owned(),
    }
}

/// Where a client that sends these lines is sent to: by WebTransport and by WebSocket.
async fn told(server: &TestServer, lines: &str) -> (Value, Value) {
    let answer = raw(&server.base(), &format!("GET /api/v1/transport HTTP/1.1\r\n{lines}")).await;
    assert_eq!(answer.status, 200, "{lines:?}: {answer:?}");
    let told = answer.json();
    (told["webtransport"]["url"].clone(), told["websocket"]["url"].clone())
}

fn both(webtransport: &str, websocket: &str) -> (Value, Value) {
    (json!(webtransport), json!(websocket))
}

#[tokio::test]
async fn a_client_is_sent_to_where_it_calls_the_server() {
    let server = TestServer::start().await;
    for (host, name, port) in [
        // A port that is published as another one is the same for both.
        ("example.org:8443", "example.org", 8443),
        ("Example.org:8443", "example.org", 8443),
        ("[::1]:5020", "[::1]", 5020),
        ("mybox.local:4433", "mybox.local", 4433),
    ] {
        let expected = both(&format!("https://{name}:{port}/wt"), &format!("ws://{name}:{port}/ws"));
        assert_eq!(told(&server, &format!("host: {host}\r\n")).await, expected);
    }
    let plain = both("https://example.org:80/wt", "ws://example.org/ws");
    assert_eq!(told(&server, "host: example.org\r\n").await, plain);
    assert_eq!(told(&server, "host: localhost:4433\r\n").await.0, "https://127.0.0.1:4433/wt");
}

#[tokio::test]
async fn who_is_no_trusted_proxy_changes_nothing() {
    let forwarded = "host: example.org:8443\r\nx-forwarded-proto: https\r\nx-forwarded-host: evil.example\r\n\
                     x-forwarded-port: 1\r\nx-forwarded-prefix: /x\r\n";
    let by_rfc = "host: example.org:8443\r\nforwarded: proto=https;host=evil.example\r\n";
    let server = TestServer::start().await;
    let direct = both("https://example.org:8443/wt", "ws://example.org:8443/ws");
    assert_eq!(told(&server, forwarded).await, direct);
    assert_eq!(told(&server, by_rfc).await, direct);
    let server =
        TestServer::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    assert_eq!(
        told(&server, forwarded).await,
        both("https://evil.example:1/wt", "wss://evil.example:1/x/ws")
    );
    assert_eq!(told(&server, by_rfc).await, both("https://evil.example:443/wt", "wss://evil.example/ws"));
    let only_proto = "host: example.org\r\nx-forwarded-proto: https\r\n";
    assert_eq!(told(&server, only_proto).await, both("https://example.org:443/wt", "wss://example.org/ws"));
    // What cannot be read is as if it were not there.
    let broken =
        "host: example.org\r\nx-forwarded-proto: x'\r\nx-forwarded-host: a;b\r\nx-forwarded-prefix: /a b\r\n";
    assert_eq!(told(&server, broken).await, both("https://example.org:80/wt", "ws://example.org/ws"));
}

#[tokio::test]
async fn the_configured_address_is_told_whatever_is_asked_for() {
    let server = TestServer::with(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.public_url = Some("https://app.example/rt/".parse_public());
    })
    .await;
    let asked = "host: 10.0.0.7\r\nx-forwarded-host: other.example\r\n";
    let public = both("https://app.example:443/wt", "wss://app.example/rt/ws");
    assert_eq!(told(&server, asked).await, public);
    // Its own page may connect, others not.
    for (origin, status) in [("https://app.example", 401), ("https://other.example", 403)] {
        let answer = ask(&server.base(), "GET", "/api/v1/me", &[("origin", origin)], "").await;
        assert_eq!(answer.status, status, "{origin}");
    }
    for (quic, expected) in [
        ("none", Value::Null),
        ("5020", json!("https://app.example:5020/wt")),
        ("quic.example:443", json!("https://quic.example:443/wt")),
    ] {
        let server = TestServer::with(|config| {
            config.public_url = Some("https://app.example".parse_public());
            config.public_quic = Some(fanfare::net::public::PublicQuic::parse(quic).unwrap());
        })
        .await;
        assert_eq!(told(&server, "host: a\r\n").await, (expected, json!("wss://app.example/ws")));
    }
}

trait Public {
    fn parse_public(self) -> fanfare::net::public::PublicUrl;
}

impl Public for &str {
    fn parse_public(self) -> fanfare::net::public::PublicUrl {
        fanfare::net::public::PublicUrl::parse(self).unwrap()
    }
}

/// The page may reach what it is sent to, and nothing that somebody wrote into a header.
#[tokio::test]
async fn the_page_may_reach_what_it_is_sent_to() {
    let server =
        TestServer::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let policy = async |lines: &str| {
        let answer = raw(&server.base(), &format!("GET / HTTP/1.1\r\n{lines}")).await;
        (answer.status, answer.header("content-security-policy").map(str::to_owned))
    };
    let (status, of_page) =
        policy("host: a.example\r\nx-forwarded-proto: https\r\nx-forwarded-host: b.example:8443\r\n").await;
    assert_eq!(status, 200);
    let policy = of_page.expect("the console is built");
    assert!(policy.contains(" wss://b.example:8443 https://b.example:8443;"), "{policy}");
    for host in
        ["a;script-src", "a'b", "a,b", "a b", "a\"b", "a/b", "a@b", "*", "a:b", "a\tb", "a%3bb", "[::1"]
    {
        for path in ["/", "/api/v1/transport", "/api/v1/me", "/health/ready"] {
            let answer = raw(&server.base(), &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n")).await;
            assert_eq!(answer.status, 400, "{path} {host:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn what_may_stand_once_is_refused_twice() {
    let server = TestServer::start().await;
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let host = "host: localhost\r\n";
    let origin = "origin: http://localhost:4433\r\n";
    for (path, lines) in [
        ("/api/v1/transport", format!("{host}{host}")),
        ("/api/v1/transport", format!("{host}{origin}origin: https://evil.example\r\n")),
        ("/api/v1/me", format!("{host}origin: https://evil.example\r\n{origin}")),
        ("/", format!("{host}host: evil.example\r\n")),
        ("/ws", format!("{host}{upgrade}{host}")),
        ("/ws", format!("{host}{upgrade}{origin}{origin}")),
        ("/ws", format!("{host}{upgrade}sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
        ("/ws", format!("{host}{upgrade}sec-websocket-version: 8\r\n")),
        ("/ws", format!("{host}{upgrade}authorization: Bearer a.b.c\r\nauthorization: Bearer a.b.c\r\n")),
        ("/api/v1/me", format!("{host}authorization: Bearer a.b.c\r\nauthorization: Basic a\r\n")),
        ("/api/v1/transport", String::new()),
    ] {
        let answer = raw(&server.base(), &format!("GET {path} HTTP/1.1\r\n{lines}")).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (400, &json!("INVALID_MESSAGE")),
            "{path} {lines}"
        );
    }
    let other = raw(&server.base(), &format!("GET http://evil.example/ HTTP/1.1\r\n{host}")).await;
    assert_eq!(other.status, 400);
    // An older client need not say what it calls the server.
    let old = raw(&server.base(), "GET /health/live HTTP/1.0\r\n").await;
    assert_eq!(old.status, 200);
}

/// A proxy that takes any name passes on that of a page which had its own name point here. Over https, the page's browser
/// has seen a certificate of that name.
#[tokio::test]
async fn a_name_told_by_a_proxy_is_the_servers_own_only_over_https() {
    let server =
        TestServer::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let ann = token("ann", "acme", "member", &[]);
    let name = "host: a.example\r\nx-forwarded-host: a.example\r\n";
    for (lines, origin, status) in [
        (name.to_owned(), "http://a.example", 403),
        (format!("{name}x-forwarded-proto: http\r\n"), "http://a.example", 403),
        (format!("{name}x-forwarded-proto: https\r\n"), "https://a.example", 200),
        ("host: a.example\r\nforwarded: host=a.example\r\n".into(), "http://a.example", 403),
        ("host: a.example\r\nforwarded: host=a.example;proto=https\r\n".into(), "https://a.example", 200),
        ("host: b.lan\r\nx-forwarded-host: a.lan\r\n".into(), "http://a.lan", 200),
    ] {
        let lines = format!("{lines}origin: {origin}\r\nauthorization: Bearer {ann}\r\n");
        let answer = raw(&server.base(), &format!("GET /api/v1/me HTTP/1.1\r\n{lines}")).await;
        assert_eq!(answer.status, status, "{lines}");
    }
}

/// The console by an address or a name of the local network, without a setting.
#[tokio::test]
async fn the_servers_own_page_may_connect() {
    let server = TestServer::start().await;
    let ann = token("ann", "acme", "member", &[]);
    for (host, origin, status) in [
        ("[::1]:4433", "http://[::1]:4433", 200),
        ("mybox.local:8080", "http://mybox.local:8080", 200),
        ("192.168.1.5", "http://192.168.1.5", 200),
        ("192.168.1.5", "http://192.168.1.6", 403),
        ("mybox.local:8080", "http://mybox.local:8081", 403),
        // Whoever owns that name may have it point here.
        ("evil.example", "http://evil.example", 403),
    ] {
        let lines = format!("host: {host}\r\norigin: {origin}\r\nauthorization: Bearer {ann}\r\n");
        let answer = raw(&server.base(), &format!("GET /api/v1/me HTTP/1.1\r\n{lines}")).await;
        assert_eq!(answer.status, status, "{host} {origin}");
        let upgrade = format!(
            "GET /ws HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let mut stream =
            tokio::net::TcpStream::connect(server.base().strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(upgrade.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        let expected = if status == 200 { "HTTP/1.1 101" } else { "HTTP/1.1 403" };
        assert_eq!(String::from_utf8_lossy(&first), expected, "{host} {origin}");
    }
}
