//! Who connects slowly, too often, or with somebody else's address.

use std::{net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    session::cancel_safety::Gate,
    support::{
        client::{BOTH, Client, Got, Kind, open_session},
        harness::{TestServer, http_get},
        udp_proxy::{Back, Tap, udp},
        until::{pace, until},
    },
};

async fn told(base: &str) -> Value {
    serde_json::from_str(&http_get(base, "/api/v1/transport").await).unwrap()
}

/// A server sends no more than three times what it was sent to an address that has not answered.
#[tokio::test]
async fn a_forged_address_is_sent_little() {
    let server = TestServer::with(|config| config.session.handshake_timeout_ms = 3000).await;
    let told = told(&server.base()).await;
    for packets in [1, 2, 8] {
        let failed = server.metric("fanfare_handshakes_failed").await;
        let tap = Tap::start(udp(&told), Ipv4Addr::LOCALHOST, packets, Back::Nothing).await;
        let instead = tap.in_place(&told);
        let client = open_session(&instead);
        tokio::pin!(client);
        // Until the server gives up; it repeats itself meanwhile.
        let given_up =
            until("the server gives up", async || server.metric("fanfare_handshakes_failed").await > failed);
        // The first packet alone may hold too little of the greeting for an answer, or for a handshake: then there is
        // nothing that would happen, so twice the time in which it would have is let pass.
        tokio::select! {
            _ = &mut client => panic!("nothing came back"),
            () = given_up => {}
            () = tokio::time::sleep(Duration::from_secs(8)) => assert_eq!(packets, 1, "the server waits on"),
        }
        let (to, back) = (tap.counted(|c| &c.to), tap.counted(|c| &c.back));
        println!("{packets} packets: {back} bytes for {to}, {:.2} times", back as f64 / to as f64);
        assert!(back <= 3 * to, "{back} bytes for {to}");
        assert!(packets == 1 || back > 0, "the server did not answer at all");
    }
}

#[tokio::test]
async fn under_pressure_an_address_is_proven_first() {
    let server = TestServer::with(|config| config.limits.lobby = 16).await;
    let told = told(&server.base()).await;
    let host = server.base().replace("http://", "");
    for (others, proof) in [(0, false), (2, true)] {
        let mut idle = Vec::new();
        for _ in 0..others {
            idle.push(TcpStream::connect(&host).await.unwrap());
        }
        // They have been taken notice of once a later one is answered.
        http_get(&server.base(), "/health/live").await;
        let tap = Tap::start(udp(&told), Ipv4Addr::LOCALHOST, usize::MAX, Back::All).await;
        let session = open_session(&tap.in_place(&told)).await.expect("whoever proves it gets in");
        assert_eq!(tap.counted(|c| &c.retries) > 0, proof, "with {others} others");
        session.close(0, b"bye");
        crate::session::closing::until_empty(&server).await;
        drop((tap, idle));
    }
}

/// What may come from an address before any work is done for it; others are not concerned.
#[tokio::test]
async fn an_address_that_tries_too_often_is_turned_away_at_the_door() {
    let server = TestServer::with(|config| {
        config.limits.exempt = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.attempts_per_second_per_ip = 1;
        config.limits.connections_per_ip = 20;
    })
    .await;
    let told = told(&server.base()).await;
    let host = server.base().replace("http://", "").parse().unwrap();
    let from = |last| Ipv4Addr::new(127, 0, 1, last);
    // TCP: closed without a word.
    let answered = async |address: Ipv4Addr| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let Ok(mut stream) = socket.connect(host).await else { return false };
        let _ = stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        !answer.is_empty()
    };
    let mut taken = 0;
    while answered(from(1)).await {
        taken += 1;
        assert!(taken < 200, "nothing is ever refused");
    }
    assert!(taken >= 20, "{taken}");
    assert!(answered(from(2)).await, "another address");
    server.pass(10_000);
    assert!(answered(from(1)).await, "some time later");
    // QUIC: refused once the address is proven.
    let mut taken = 0;
    loop {
        let tap = Tap::start(udp(&told), from(3), usize::MAX, Back::All).await;
        if open_session(&tap.in_place(&told)).await.is_err() {
            assert!(tap.counted(|c| &c.retries) > 0, "it had to be proven first");
            break;
        }
        taken += 1;
        assert!(taken < 200, "nothing is ever refused");
    }
    assert!(taken >= 20, "{taken}");
    assert!(server.metric("fanfare_turned_away").await >= 2.0);
    let tap = Tap::start(udp(&told), from(4), usize::MAX, Back::All).await;
    open_session(&tap.in_place(&told)).await.expect("another address");
    server.pass(10_000);
    let tap = Tap::start(udp(&told), from(3), usize::MAX, Back::All).await;
    open_session(&tap.in_place(&told)).await.expect("some time later");
}

/// A server whose patience is short, and what it does with a connection on which this was sent.
async fn after(server: &TestServer, sent: &[&[u8]], dribble: bool) -> String {
    let mut stream = TcpStream::connect(server.base().replace("http://", "")).await.unwrap();
    for part in sent {
        stream.write_all(part).await.unwrap();
    }
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let ended = async {
        let _ = reader.read_to_end(&mut answer).await;
    };
    // A byte now and then is no progress.
    let mut pace = pace(Duration::from_millis(20));
    let more = async {
        while dribble && writer.write_all(b"x").await.is_ok() {
            pace.tick().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = timeout(Duration::from_secs(20), ended) => ended.expect("it is still open"),
        () = more => unreachable!(),
    }
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn slow_and_large_requests_end() {
    let server = TestServer::with(|config| {
        config.session.handshake_timeout_ms = 300;
        config.session.request_timeout_ms = 300;
        config.limits.message_bytes = 4096;
    })
    .await;
    let timed_out = ["", "HTTP/1.1 408 Request Timeout"];
    for dribble in [false, true] {
        for start in ["", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nhost: a\r\nx: "] {
            let end = after(&server, &[start.as_bytes()], dribble).await;
            let bad = end == "HTTP/1.1 400 Bad Request" && dribble && start.is_empty();
            assert!(timed_out.contains(&end.as_str()) || bad, "{start:?}, {dribble}: {end}");
        }
    }
    // One that was answered and says nothing more.
    let kept = after(&server, &[b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n"], false).await;
    assert_eq!(kept, "HTTP/1.1 200 OK", "answered, and then closed");
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let end = after(&server, &[large.as_bytes()], false).await;
    assert_eq!(end, "HTTP/1.1 431 Request Header Fields Too Large");
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(200));
    let end = after(&server, &[many.as_bytes()], false).await;
    assert_eq!(end, "HTTP/1.1 431 Request Header Fields Too Large");
    // A body that nobody asked for is not read.
    let body = b"POST /api/v1/me HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\nxxxx";
    assert_eq!(after(&server, &[body], false).await, "HTTP/1.1 405 Method Not Allowed");
    crate::session::closing::until_empty(&server).await;
}

/// Those who wait without a word make room for those who speak.
#[tokio::test]
async fn the_silent_keep_nobody_out() {
    let server = TestServer::with(|config| config.limits.lobby = 8).await;
    let mut silent = Vec::new();
    for round in 0..3 {
        for kind in BOTH {
            for _ in 0..4 {
                silent.push(Client::connect(&server.base(), kind).await);
            }
        }
        for kind in BOTH {
            let mut ann = server.client(kind, "ann", "member").await;
            ann.request("client:ping", json!({})).await.unwrap_or_else(|e| panic!("{round} {kind:?}: {e}"));
        }
    }
    // The first of them was told, and when to come back.
    let mut first = silent.remove(0);
    let error = first.expect("error").await;
    assert_eq!(error["data"]["code"], "CONNECTION_LIMIT");
    assert_eq!(error["data"]["retry_after_ms"], 1000);
    assert_eq!(first.expect_close().await.0, 4101);
}

/// What is under way of a connection is bounded by not reading on: a client that sends more has to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_read_than_can_be_worked_on() {
    for kind in BOTH {
        let (server, gate) = Gate::serve().await;
        let mut ann = server.client(kind, "ann", "member").await;
        let room = crate::chat::conversations::create(&mut ann, "room", &["bob"]).await;
        gate.stop_at(0);
        let say = json!({ "client_id": "m", "conversation_id": room, "text": "x" });
        let said = ann.send_request("message:send", say).await;
        assert!(gate.stopped_before(std::future::pending()).await);
        // More than all buffers between here and there hold.
        let filler = format!(r#"{{"event":"client:ping","data":{{"x":"{}"}}}}"#, "x".repeat(60_000));
        let sending = async {
            for _ in 0..600 {
                ann.send_text(&filler).await;
            }
        };
        let mut sending = Box::pin(sending);
        let early = timeout(Duration::from_millis(1500), sending.as_mut()).await;
        assert!(early.is_err(), "{kind:?}: 36 MB were read while a request was under way");
        gate.let_go();
        sending.await;
        ann.answer(said).await.unwrap();
    }
}

/// Requests that the store keeps waiting leave room for an alarm, whatever the transport and the stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_urgent_is_done_although_all_else_waits() {
    for kind in BOTH {
        for own_stream in [true, false] {
            let (server, gate) = Gate::serve().await;
            let mut ann = server.client(kind, "ann", "supervisor").await;
            let room = crate::chat::conversations::create(&mut ann, "room", &["bob"]).await;
            gate.stop_at(0);
            // More than are under way at once.
            let waiting = server.config.limits.in_flight * 3;
            for n in 0..waiting {
                let say = json!({ "client_id": format!("m{n}"), "conversation_id": room, "text": "x" });
                ann.send_request("message:send", say).await;
            }
            assert!(gate.stopped_before(std::future::pending()).await);
            let alarm = json!({ "client_id": "fire", "message": "fire", "priority": "urgent" });
            let alarm = json!({ "event": "system:broadcast", "id": "fire", "data": alarm });
            if own_stream {
                ann.send_urgent(&alarm).await;
            } else {
                ann.send(&alarm).await;
            }
            let answer = ann.wait(|got| matches!(got, Got::Event(_, event) if event["re"] == "fire")).await;
            let Got::Event(lane, answer) = answer else { unreachable!() };
            assert_eq!(answer["event"], "reply", "{kind:?}");
            assert_eq!(lane, u8::from(kind == Kind::WebTransport), "its answer is urgent as well");
            assert_eq!(ann.expect("system:broadcast").await["data"]["message"], "fire");
            assert!(ann.came_before().iter().all(|got| !is(got, "message:new")), "all else waits");
            gate.let_go();
            for n in 0..waiting {
                assert_eq!(ann.expect("message:new").await["client_id"], format!("m{n}"));
            }
        }
    }
}

/// Requests that come together are all read that there is room for, however the connection and its work take turns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_are_read_as_there_is_room_for() {
    for kind in BOTH {
        let (server, gate) = Gate::serve_with(|config| config.limits.in_flight = 2).await;
        let mut ann = server.client(kind, "ann", "member").await;
        let room = crate::chat::conversations::create(&mut ann, "room", &["bob"]).await;
        gate.stop_at(0);
        // So large that nothing is read ahead of the room that there is.
        let filler = "x".repeat(300_000);
        let say = json!({ "client_id": "m", "conversation_id": room, "text": "x", "filler": filler });
        let said = ann.send_request("message:send", say).await;
        assert!(gate.stopped_before(std::future::pending()).await);
        // What cannot be read is refused at once, so this shows that it was looked at.
        ann.send_text("nonsense").await;
        assert_eq!(ann.expect("error").await["data"]["code"], "INVALID_MESSAGE", "{kind:?}");
        gate.let_go();
        ann.answer(said).await.unwrap();
    }
}

fn is(got: &Got, name: &str) -> bool {
    matches!(got, Got::Event(_, event) if event["event"] == name)
}
