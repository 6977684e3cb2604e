//! What a transport must bear: many comings and goings, a second stream, a path that moves, origins that are not ours.

use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, client::IntoClientRequest};
use web_transport_quinn::proto::{ConnectRequest, ConnectResponse};

use crate::{
    chat::conversations::create,
    session::closing::until_empty,
    support::{
        client::{Client, Got, Kind, open_session, quic_config},
        harness::{Process, TestServer, http_get, metric, token},
        udp_proxy::udp,
    },
};

#[tokio::test]
async fn urgent_requests_have_a_stream_of_their_own() {
    let server = TestServer::start().await;
    let mut chief = server.client(Kind::WebTransport, "chief", "admin").await;
    let urgent = json!({ "client_id": "u", "message": "fire", "priority": "urgent" });
    chief.send_urgent(&json!({ "event": "system:broadcast", "id": "u1", "data": urgent })).await;
    let Got::Event(lane, answer) = chief.wait(|got| matches!(got, Got::Event(_, e) if e["re"] == "u1")).await
    else {
        unreachable!()
    };
    assert_eq!((lane, &answer["event"]), (1, &json!("reply")), "answered on the lane it was asked on");
    chief.request("client:ping", json!({})).await.unwrap();
}

/// A capsule that cannot be read is a malformed message (RFC 9297, section 3.3): the session's stream is reset for it.
#[tokio::test]
async fn a_malformed_capsule_resets_the_sessions_stream() {
    let server = TestServer::start().await;
    let told = serde_json::from_str(&http_get(&server.base(), "/api/v1/transport").await).unwrap();
    let mut endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    endpoint.set_default_client_config(quic_config(&told));
    let quic = endpoint.connect(udp(&told), "localhost").unwrap().await.unwrap();
    // The control stream, with SETTINGS for datagrams and WebTransport.
    let mut control = quic.open_uni().await.unwrap();
    control.write_all(&[0x00, 0x04, 0x07, 0x33, 1, 0xab, 0x60, 0x37, 0x42, 1]).await.unwrap();
    let (mut send, mut recv) = quic.open_bi().await.unwrap();
    let url: url::Url = told["webtransport"]["url"].as_str().unwrap().parse().unwrap();
    ConnectRequest::new(url).write(&mut send).await.unwrap();
    let answer = ConnectResponse::read(&mut recv).await.unwrap();
    assert_eq!(answer.status.as_u16(), 200);
    // A close without room for its code.
    send.write_all(&[0, 5, 0x68, 0x43, 2, 0, 0]).await.unwrap();
    let ended = recv.read_to_end(1024).await.unwrap_err();
    assert_eq!(ended, quinn::ReadToEndError::Read(quinn::ReadError::Reset(0x010e_u32.into())));
    assert_eq!(send.stopped().await.unwrap(), Some(0x010e_u32.into()));
    quic.closed().await;
    until_empty(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: `make soak` runs it"]
async fn connections_leave_nothing_behind_on_webtransport() {
    leave_nothing_behind(Kind::WebTransport).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: `make soak` runs it"]
async fn connections_leave_nothing_behind_on_websocket() {
    leave_nothing_behind(Kind::WebSocket).await;
}

/// 2,000 connections come, speak and go, half of them without a word: nothing of them stays.
async fn leave_nothing_behind(kind: Kind) {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path()).await;
    let token = token("ann", "acme", "member", &[]);
    let mut after_half = 0;
    for cycle in 0..2000 {
        let client = Client::open(&server.base, kind, &token).await;
        if cycle % 2 == 0 {
            client.close().await;
        } else {
            client.vanish();
        }
        if cycle == 999 {
            settled(&server).await;
            after_half = server.memory("VmRSS");
        }
    }
    settled(&server).await;
    let grown = server.memory("VmRSS").saturating_sub(after_half);
    println!("figure: {kind:?}: {after_half} KiB after 1,000 cycles, {grown} KiB more after 2,000");
    // A leak of 2 KiB for each connection would show.
    assert!(grown < 2000, "{grown} KiB more");
}

async fn settled(server: &Process) {
    let start = std::time::Instant::now();
    while metric(&server.base, "fanfare_connections").await > 0.0 {
        assert!(start.elapsed().as_secs() < 40, "connections stay");
        tokio::task::yield_now().await;
    }
}

/// The client's UDP port changes in mid-session, as behind a router that forgot it.
#[tokio::test]
async fn a_session_survives_a_new_address() {
    let server = TestServer::start().await;
    let told: serde_json::Value =
        serde_json::from_str(&http_get(&server.base(), "/api/v1/transport").await).unwrap();
    let mut ann = server.client(Kind::WebTransport, "ann", "member").await;
    let room = create(&mut ann, "moving", &["bob"]).await;
    let endpoint = ann.endpoint();
    let before = endpoint.local_addr().unwrap();
    endpoint.rebind(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    assert_ne!(endpoint.local_addr().unwrap(), before);
    crate::chat::conversations::say(&mut ann, &room, "m1", "still here").await;
    assert_eq!(ann.expect("message:new").await["data"]["text"], "still here");
    assert_eq!(server.metric("fanfare_connections").await, 1.0, "the same session");
    assert!(told["webtransport"]["url"].as_str().unwrap().ends_with("/wt"));
}

#[tokio::test]
async fn pages_of_other_origins_are_turned_away() {
    let server = TestServer::with(|config| config.origins = vec!["https://console.example".into()]).await;
    let url = format!("{}/ws", server.base().replace("http", "ws"));
    for (origin, welcome) in [
        ("https://console.example", true),
        ("https://console.example.evil", false),
        ("http://console.example", false),
        ("null", false),
    ] {
        let mut request = url.as_str().into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Ok(_) => assert!(welcome, "{origin}"),
            Err(Error::Http(response)) => {
                assert_eq!((welcome, response.status().as_u16()), (false, 403), "{origin}");
            }
            Err(error) => panic!("{origin}: {error}"),
        }
    }
    let told = serde_json::from_str(&http_get(&server.base(), "/api/v1/transport").await).unwrap();
    assert!(open_session(&told).await.is_ok(), "a program has no origin");
    until_empty(&server).await;
}

#[tokio::test]
async fn the_server_tells_how_it_is() {
    let mut server = TestServer::start().await;
    let base = server.base();
    assert_eq!(http_get(&base, "/health/live").await, "ok");
    assert_eq!(http_get(&base, "/health/ready").await, "ready");
    assert!(http_get(&base, "/metrics").await.ends_with("# EOF\n"));
    assert!(http_get(&base, "/").await.contains("Fanfare"));
    server.stop().await;
}
