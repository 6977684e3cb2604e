//! Connections that are begun, and then not led to where they are of use: each ends by itself, and others get in.

use std::{path::Path, sync::Arc, time::Duration};

use futures::future::join_all;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use crate::support::{
    client::{BOTH, Client, Got, Kind, quic_config},
    harness::{TestServer, http_get, token},
    udp_proxy::udp,
    until::{pace, until},
};

/// What the servers here allow a handshake.
const SHORT: Duration = Duration::from_millis(300);
/// It ends at last, on whatever machine.
const AT_LAST: Duration = Duration::from_secs(20);

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.base().replace("http://", "")).await.unwrap()
}

/// Says this and no more. Answers what was said back before the server closed.
async fn after(mut stream: TcpStream, said: &[u8]) -> Vec<u8> {
    stream.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(AT_LAST, stream.read_to_end(&mut answer)).await;
    // Either is an end.
    let _ = ended.expect("it is still open");
    answer
}

/// A certificate for TLS over TCP, and who trusts it.
fn certify(dir: &Path) -> (std::path::PathBuf, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = dir.join("server.pem");
    std::fs::write(&path, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&path).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (path, Arc::new(config))
}

#[tokio::test]
async fn tls_that_is_not_finished_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (pem, trust) = certify(dir.path());
    let server = TestServer::with(|config| {
        config.session.handshake_timeout_ms = SHORT.as_millis() as u64;
        (config.tls.certificate, config.tls.key) = (Some(pem.clone()), Some(pem));
        // Nobody else has to go for them.
        config.limits.lobby = 1000;
    })
    .await;
    let name = ServerName::try_from("localhost").unwrap();
    let mut hello = Vec::new();
    let mut tls = ClientConnection::new(trust.clone(), name.clone()).unwrap();
    tls.write_tls(&mut hello).unwrap();
    // Nothing, a part of the first record, all of it and then silence where the client's part of the keys is due; each by
    // many at the same time.
    for part in [0, 5, hello.len() / 2, hello.len()] {
        let many = join_all((0..20).map(|_| async { after(connect(&server).await, &hello[..part]).await }));
        for answer in many.await {
            assert_eq!(part == hello.len(), !answer.is_empty(), "{part}: {} bytes came back", answer.len());
        }
    }
    // Who goes on is served.
    let mut stream = TlsConnector::from(trust).connect(name, connect(&server).await).await.unwrap();
    let request = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn ways_to_a_transport_that_are_not_finished_end() {
    let server =
        TestServer::with(|config| config.session.handshake_timeout_ms = SHORT.as_millis() as u64).await;
    // A WebSocket's request that lacks its end, wherever it breaks off.
    let request = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    for part in [10, 40, request.len() - 2] {
        let answer = after(connect(&server).await, &request.as_bytes()[..part]).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{part}: {answer}");
    }
    // QUIC that stands, on which nobody asks for a session.
    let told = serde_json::from_str(&http_get(&server.base(), "/api/v1/transport").await).unwrap();
    let mut endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    endpoint.set_default_client_config(quic_config(&told));
    let failed = server.metric("fanfare_handshakes_failed").await;
    let quic = endpoint.connect(udp(&told), "localhost").unwrap().await.unwrap();
    timeout(AT_LAST, quic.closed()).await.expect("it is still open");
    assert!(server.metric("fanfare_handshakes_failed").await > failed);
    for kind in BOTH {
        server.client(kind, "ann", "member").await.close().await;
    }
    crate::session::closing::until_empty(&server).await;
}

/// Neither who asks again and again nor who takes no answer in stays for ever.
#[tokio::test]
async fn http_has_its_time() {
    const LIFE: Duration = Duration::from_millis(700);
    let server = TestServer::with(|config| {
        config.session.handshake_timeout_ms = SHORT.as_millis() as u64;
        config.session.http_life_ms = LIFE.as_millis() as u64;
    })
    .await;
    let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
    let begun = Instant::now();
    let mut asker = connect(&server).await;
    let (mut reader, mut writer) = asker.split();
    let asking = async {
        let mut pace = pace(SHORT / 10);
        while writer.write_all(request).await.is_ok() {
            pace.tick().await;
        }
        std::future::pending::<()>().await;
    };
    let mut answers = Vec::new();
    tokio::select! {
        ended = timeout(AT_LAST, reader.read_to_end(&mut answers)) => drop(ended.expect("it is still open")),
        () = asking => unreachable!(),
    }
    assert!(begun.elapsed() >= LIFE, "{:?}", begun.elapsed());
    let answers = String::from_utf8(answers).unwrap();
    assert!(answers.matches("HTTP/1.1 200").count() > 3, "it was served meanwhile");

    let mut deaf = connect(&server).await;
    let asking = async { while deaf.write_all(&request.repeat(100)).await.is_ok() {} };
    timeout(AT_LAST, asking).await.expect("it is still open");

    // A WebSocket is nothing of the kind.
    let mut ann = Client::open(&server.base(), Kind::WebSocket, &token("ann", "acme", "member", &[])).await;
    let mut pace = pace(LIFE / 4);
    for _ in 0..6 {
        pace.tick().await;
        ann.request("client:ping", serde_json::json!({})).await.unwrap();
    }
}

/// A message of which the rest does not come ends its connection, whatever else shows that its client lives.
#[tokio::test]
async fn a_message_that_is_not_finished_ends_its_connection() {
    let server = TestServer::with(|config| config.session.request_timeout_ms = 1000).await;
    for kind in BOTH {
        for part in ["{".to_owned(), " ".repeat(200_000)] {
            let mut ann = server.client(kind, "ann", "member").await;
            ann.begin(part.as_bytes(), 100).await;
            assert_eq!(ann.expect_close().await.0, 4002, "{kind:?}");
        }
        // Who finishes what they say may say it for any time.
        let mut ann = server.client(kind, "ann", "member").await;
        let mut pace = pace(Duration::from_millis(250));
        for _ in 0..9 {
            ann.request("client:ping", json!({})).await.unwrap();
            pace.tick().await;
        }
    }
}

/// What is held of messages that are not finished is bounded, and one user cannot take all of it.
#[tokio::test]
async fn there_is_room_for_so_much_that_is_not_finished() {
    let server = TestServer::with(|config| config.limits.message_bytes = 64 * 1024).await;
    let begun = format!(r#"{{"event":"client:ping","id":1,"data":{{"x":"{:60000}"#, "");
    let rest = br#""}}"#;
    let ended = |got: &Got| matches!(got, Got::Closed(..)) || is_pong(got);
    for kind in BOTH {
        let closed = server.metric("fanfare_closed").await;
        let mut all = Vec::new();
        for _ in 0..24 {
            let mut ann = server.client(kind, "ann", "member").await;
            ann.begin(begun.as_bytes(), rest.len()).await;
            all.push(ann);
        }
        until("one is closed", async || server.metric("fanfare_closed").await > closed).await;
        let mut bob = server.client(kind, "bob", "member").await;
        bob.begin(begun.as_bytes(), rest.len()).await;
        bob.end(rest).await;
        bob.wait(is_pong).await;
        let mut refused = 0;
        for ann in &mut all {
            ann.end(rest).await;
            if let Got::Closed(code, _) = ann.wait(ended).await {
                assert_eq!(code, 4102, "{kind:?}");
                refused += 1;
            }
        }
        assert!((1..=8).contains(&refused), "{kind:?}: {refused} of 24, of whom there is room for 16");
        // What is finished makes room.
        let mut ann = server.client(kind, "ann", "member").await;
        ann.begin(begun.as_bytes(), rest.len()).await;
        ann.end(rest).await;
        ann.wait(is_pong).await;
    }
}

fn is_pong(got: &Got) -> bool {
    matches!(got, Got::Event(_, event) if event["event"] == "client:pong")
}
