//! What clients write into the headers of proxies: it neither hides whose a request is nor makes it somebody else's.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use crate::support::harness::TestServer;

/// Behind a proxy on this machine, and with few requests for each address: 40 at once.
async fn behind_a_proxy() -> TestServer {
    TestServer::with(|config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.exempt.clear();
        config.limits.requests_per_second_per_ip = 1;
        config.limits.connections_per_ip = 20;
        config.limits.attempts_per_second_per_ip = 10_000;
    })
    .await
}

/// All that one connection from this address is answered, with whatever it sends, in small letters.
async fn answers(server: &TestServer, from: Ipv4Addr, sent: &[u8]) -> String {
    let host: SocketAddr = server.base().replace("http://", "").parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(host).await.unwrap();
    let last = b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(&[sent, last].concat()).await;
    let mut answers = Vec::new();
    // It may be reset, as not all was read that was sent.
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        answers.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&answers).to_lowercase()
}

const PROXY: Ipv4Addr = Ipv4Addr::LOCALHOST;

#[tokio::test]
async fn no_byte_of_a_client_hides_its_address() {
    let server = behind_a_proxy().await;
    // `*` is another number each time. In all of them the last address is what the proxy added.
    let written: [&[u8]; 6] = [
        b"x-forwarded-for: 203.0.113.4",
        b"x-forwarded-for: \xff, 203.0.113.5",
        b"x-forwarded-for: \xff\r\nx-forwarded-for: 203.0.113.6",
        b"x-forwarded-for: 198.51.100.*, 203.0.113.7",
        b"forwarded: for=198.51.100.*;x=\"\xff\", for=203.0.113.8",
        b"forwarded: for=198.51.100.*;x=\"a, \\\" b\"\r\nforwarded: for=203.0.113.9;proto=https",
    ];
    for lines in written {
        for path in ["/health/live", "/ws"] {
            let request = |n: u8| {
                let number = n.to_string();
                let lines = lines.iter().flat_map(|byte| match byte {
                    b'*' => number.as_bytes().to_vec(),
                    other => vec![*other],
                });
                let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\n").into_bytes();
                head.into_iter().chain(lines).chain(*b"\r\n\r\n").collect::<Vec<u8>>()
            };
            let told = answers(&server, PROXY, &(0..60).flat_map(request).collect::<Vec<_>>()).await;
            let shown = lines.escape_ascii();
            assert!(told.contains("http/1.1 429 "), "{path} {shown}: {} bytes, never refused", told.len());
            server.pass(60_000);
        }
    }
}

#[tokio::test]
async fn what_a_proxy_cannot_have_meant_is_refused() {
    let server = behind_a_proxy().await;
    let written: [&[u8]; 8] = [
        // An open quote, which hides what comes behind it.
        b"forwarded: for=192.0.2.1;host=evil;x=\"\r\nforwarded: for=203.0.113.9;proto=https",
        b"forwarded: for=192.0.2.1;host=evil;x=\", for=203.0.113.9;proto=https",
        b"forwarded: for=192.0.2.1;x=\", for=203.0.113.9;host=\"a.example:80\"",
        // A proxy that writes the one kind passes the other on as a client wrote it. Which is the proxy's?
        b"forwarded: for=203.0.113.9\r\nx-forwarded-prefix: /",
        b"x-forwarded-for: 203.0.113.9\r\nforwarded: for=192.0.2.1",
        b"x-forwarded-for: 203.0.113.9, nonsense",
        b"x-forwarded-for: 203.0.113.9, \xff",
        b"forwarded: for=203.0.113.9, for=nonsense",
    ];
    for lines in written {
        for path in ["/health/live", "/api/v1/transport", "/ws", "/"] {
            let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n");
            let request = [head.as_bytes(), lines, b"\r\n\r\n"].concat();
            let told = answers(&server, PROXY, &request.repeat(3)).await;
            let shown = lines.escape_ascii();
            assert_eq!(told.matches("http/1.1 ").count(), 1, "{path} {shown}: {told}");
            assert!(told.starts_with("http/1.1 400 "), "{path} {shown}: {told}");
            assert!(told.contains("connection: close\r\n"), "{path} {shown}: {told}");
        }
        // Of who is no proxy, nothing of it is looked at.
        let request = [b"GET /health/live HTTP/1.1\r\nhost: a\r\n", lines, b"\r\n\r\n"].concat();
        let told = answers(&server, Ipv4Addr::new(127, 0, 4, 1), &request).await;
        assert_eq!(told.matches("http/1.1 200 ").count(), 2, "{told}");
    }
}

/// A request that cannot be understood costs what others cost, and its connection.
#[tokio::test]
async fn requests_that_name_no_server_are_counted() {
    let server = behind_a_proxy().await;
    let wrong = [
        "host: a;b\r\n",
        "",
        "host: a\r\nhost: b\r\n",
        "host: a\r\norigin: http://a\r\norigin: http://a\r\n",
    ];
    for (lines, last) in wrong.into_iter().zip(1..) {
        let request = format!("GET /health/live HTTP/1.1\r\n{lines}\r\n").repeat(3);
        let mut refused = 0;
        for _ in 0..60 {
            let told = answers(&server, Ipv4Addr::new(127, 0, 5, last), request.as_bytes()).await;
            assert_eq!(told.matches("http/1.1 ").count(), 1, "{lines:?}: {told}");
            assert!(told.contains("connection: close\r\n"), "{lines:?}: {told}");
            refused += usize::from(told.starts_with("http/1.1 429 "));
        }
        assert!(refused > 0, "{lines:?}: never refused");
    }
}
