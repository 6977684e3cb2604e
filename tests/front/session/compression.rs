//! Large events and requests that travel compressed: for those who asked, once for all of them, and never more of what
//! a client sends than it might have sent in full.

use fanfare_client::{Client as RustClient, Config as ClientConfig, Event, Preference, Transport};
use fanfare_proto::{ConversationId, DeviceId, deflate};
use serde_json::{Value, json};

use crate::support::{
    client::{BOTH, Client, Got, Kind},
    harness::{TestServer, token},
};

const ROOM: &str = "conversation:create";

/// Prose of about so many bytes.
fn prose(bytes: usize) -> String {
    "The gate of ward 4 is open, and nobody of the night shift has confirmed it yet. ".repeat(bytes / 80 + 1)
}

/// A client that says that it can inflate, among other things that nobody knows.
async fn able(server: &TestServer, kind: Kind, user: &str) -> Client {
    let hello = json!({ "token": token(user, "acme", "member", &[]), "device_id": format!("{user}-able"),
        "compress": ["zstd", "deflate-raw"] });
    let client = Client::open_with(&server.base(), kind, hello).await;
    assert_eq!(client.welcome["compress"], "deflate-raw");
    client
}

async fn room(owner: &mut Client, members: &[&str]) -> String {
    let data = json!({ "client_id": "room", "kind": "group", "title": "Night shift", "members": members });
    let answer = owner.request(ROOM, data).await.unwrap();
    answer["conversation_id"].as_str().unwrap().to_owned()
}

fn message(room: &str, id: &str, text: &str) -> Value {
    json!({ "client_id": id, "conversation_id": room, "text": text })
}

#[tokio::test]
async fn an_event_is_compressed_once_and_only_for_those_who_asked() {
    let server = TestServer::start().await;
    let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
    assert_eq!(ann.welcome["compress"], Value::Null, "who does not ask is told nothing");
    let room = room(&mut ann, &["bob", "cem"]).await;
    let (mut asked, mut others) = (Vec::new(), Vec::new());
    for kind in BOTH {
        for _ in 0..3 {
            asked.push(able(&server, kind, "bob").await);
            others.push(server.client(kind, "cem", "member").await);
        }
    }
    let text = prose(4096);
    ann.request("message:send", message(&room, "large", &text)).await.unwrap();
    ann.request("message:send", message(&room, "small", "Confirmed.")).await.unwrap();
    // About 1,024 bytes with what is around it: just too few.
    ann.request("message:send", message(&room, "middling", &prose(700))).await.unwrap();
    let mut events = Vec::new();
    for (clients, compressed) in [(&mut asked, 1), (&mut others, 0)] {
        for client in clients {
            let got = [
                client.expect("message:new").await,
                client.expect("message:new").await,
                client.expect("message:new").await,
            ];
            assert_eq!(client.compressed(), compressed, "{client:?}");
            events.push(got);
        }
    }
    assert!(events.iter().all(|got| *got == events[0]), "all got the same, in the same order");
    assert_eq!(events[0][0]["data"]["text"], text);
    assert_eq!(server.metric("fanfare_compressed").await, 1.0);
    assert_eq!(server.metric("fanfare_sent_compressed").await, 6.0);
    let saved = server.metric("fanfare_compression_saved_bytes").await;
    assert!(saved > 6.0 * 3500.0, "{saved} bytes");
}

#[tokio::test]
async fn without_anybody_who_asked_nothing_is_compressed() {
    let server = TestServer::start().await;
    let mut ann = server.client(Kind::WebTransport, "ann", "member").await;
    let room = room(&mut ann, &["bob"]).await;
    let mut bob = server.client(Kind::WebSocket, "bob", "member").await;
    ann.request("message:send", message(&room, "large", &prose(8192))).await.unwrap();
    bob.expect("message:new").await;
    assert_eq!(server.metric("fanfare_compressed").await, 0.0);
}

/// What was missed, and the pages that one asks for: they gain most.
#[tokio::test]
async fn what_was_missed_and_pages_come_compressed_too() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let bob = format!("bob-{kind:?}");
        let mut ann = server.client(kind, &format!("ann-{kind:?}"), "member").await;
        let room = room(&mut ann, &[&bob]).await;
        for n in 0..3 {
            let text = format!("{n} {}", prose(2000));
            ann.request("message:send", message(&room, &format!("m{n}"), &text)).await.unwrap();
        }
        let hello = json!({ "token": token(&bob, "acme", "member", &[]), "device_id": "phone",
            "cursors": [{ "topic": format!("conversation:{room}"), "epoch": 1, "seq": 1 }] });
        let mut plain = Client::open_with(&server.base(), kind, hello.clone()).await;
        let mut asking = hello;
        asking["compress"] = json!(["deflate-raw"]);
        asking["cursors"][0]["epoch"] = plain.topics[0]["epoch"].clone();
        let mut compressed = Client::open_with(&server.base(), kind, asking).await;
        for n in 0..3 {
            let event = compressed.expect("message:new").await;
            assert!(event["data"]["text"].as_str().unwrap().starts_with(&format!("{n} ")));
        }
        assert_eq!(compressed.compressed(), 3);
        let ask = json!({ "conversation_id": room, "limit": 50 });
        let page = compressed.request("message:history", ask.clone()).await.unwrap();
        assert_eq!(compressed.compressed(), 4);
        assert_eq!(page, plain.request("message:history", ask).await.unwrap());
        assert_eq!(plain.compressed(), 0);
    }
}

#[tokio::test]
async fn compressed_and_plain_events_keep_their_order() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = able(&server, kind, &format!("ann-{kind:?}")).await;
        let bob = format!("bob-{kind:?}");
        let room = room(&mut ann, &[&bob]).await;
        let mut bob = able(&server, kind, &bob).await;
        let mut last = 0;
        for n in 0..40 {
            let text = if n % 3 == 0 { prose(1000 + n * 300) } else { "short".into() };
            last = ann.send_request("message:send", message(&room, &format!("m{n}"), &text)).await;
        }
        ann.answer(last).await.unwrap();
        let mut seq = 0;
        for n in 0..40 {
            let event = bob.expect("message:new").await;
            assert_eq!(event["client_id"], format!("m{n}"));
            assert!(event["seq"].as_u64().unwrap() > seq);
            seq = event["seq"].as_u64().unwrap();
        }
        assert_eq!(bob.compressed(), 14);
    }
}

#[tokio::test]
async fn what_is_urgent_goes_as_it_is() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = server.client(kind, &format!("ann-{kind:?}"), "supervisor").await;
        let mut bob = able(&server, kind, &format!("bob-{kind:?}")).await;
        let notice =
            json!({ "client_id": format!("{kind:?}"), "message": prose(3900), "priority": "urgent" });
        ann.request("system:broadcast", notice).await.unwrap();
        bob.expect("system:broadcast").await;
        assert_eq!(bob.compressed(), 0);
    }
    assert_eq!(server.metric("fanfare_compressed").await, 0.0);
}

#[tokio::test]
async fn a_compressed_request_is_done_like_any_other() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let mut ann = able(&server, kind, &format!("ann-{kind:?}")).await;
        let room = room(&mut ann, &["bob"]).await;
        let text = prose(10_000);
        let request = json!({ "event": "message:send", "id": "z", "data": message(&room, "z", &text) });
        ann.send_compressed(&deflate::deflate(request.to_string().as_bytes(), &[]).unwrap()).await;
        let reply = ann.expect("reply").await;
        assert_eq!(reply["re"], "z");
        assert_eq!(ann.expect("message:new").await["data"]["text"], text);
    }
    assert_eq!(server.metric("fanfare_inflated").await, 2.0);
}

/// None of it ends the connection, and each counts as an offence.
#[tokio::test]
async fn what_cannot_be_inflated_is_an_invalid_message() {
    let server = TestServer::with(|config| config.limits.strikes_per_minute = 5).await;
    let good = deflate::deflate(
        json!({ "event": "client:ping", "id": 1, "data": {}, "x": prose(200) }).to_string().as_bytes(),
        &[],
    );
    let good = good.unwrap();
    let bad: [&[u8]; 5] =
        [b"", b"{}", &good[..good.len() - 1], &[&good[..], b"{}"].concat(), b"\xff\xff\xff\xff"];
    for kind in BOTH {
        let mut ann = able(&server, kind, "ann").await;
        for bytes in bad {
            ann.send_compressed(bytes).await;
            assert_eq!(ann.expect("error").await["data"]["code"], "INVALID_MESSAGE");
        }
        ann.request("client:ping", json!({})).await.unwrap();
        ann.send_compressed(b"").await;
        assert_eq!(ann.expect_close().await.0, 4201);
    }
    assert_eq!(server.metric("fanfare_inflated").await, 12.0);
}

/// 1 GiB of zeros in one frame.
fn bomb() -> Vec<u8> {
    use std::io::Write;
    let part = vec![0; 16 << 20];
    let mut deflater = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflater.write_all(&part).unwrap();
    deflater.flush().unwrap();
    let mut bomb = deflater.get_ref().repeat(64);
    // An empty last block.
    bomb.extend_from_slice(&[0x03, 0x00]);
    bomb
}

#[tokio::test]
async fn a_bomb_is_a_message_that_is_too_large() {
    let server = TestServer::start().await;
    let bomb = bomb();
    let limit = server.config.limits.message_bytes;
    assert!(bomb.len() <= limit, "small enough to be taken: {}", bomb.len());
    for (n, kind) in (1..).zip(BOTH) {
        let mut ann = able(&server, kind, "ann").await;
        ann.send_compressed(&bomb).await;
        assert_eq!(ann.expect("error").await["data"]["code"], "MESSAGE_TOO_LARGE");
        assert_eq!(ann.expect_close().await.0, 4202);
        let inflated = server.metric("fanfare_inflated_bytes").await;
        assert_eq!(inflated, (n * limit) as f64, "no more than one message has room for");
    }
    // One byte too many is too much, and one less is a message.
    let small = TestServer::with(|config| config.limits.message_bytes = 8192).await;
    for kind in BOTH {
        let mut ann = able(&small, kind, "ann").await;
        ann.send_compressed(&deflate::deflate(" ".repeat(8192).as_bytes(), &[]).unwrap()).await;
        assert_eq!(ann.expect("error").await["data"]["code"], "INVALID_MESSAGE");
        ann.send_compressed(&deflate::deflate(" ".repeat(8193).as_bytes(), &[]).unwrap()).await;
        assert_eq!(ann.expect("error").await["data"]["code"], "MESSAGE_TOO_LARGE");
        assert_eq!(ann.expect_close().await.0, 4202);
    }
}

#[tokio::test]
async fn nothing_is_inflated_for_a_stranger() {
    let server = TestServer::start().await;
    for kind in BOTH {
        let hello = json!({ "event": "authenticate", "data": { "token": token("ann", "acme", "member", &[]),
            "compress": ["deflate-raw"], "cursors": [], "x": prose(2000) } });
        let mut ann = Client::connect(&server.base(), kind).await;
        ann.send_compressed(&deflate::deflate(hello.to_string().as_bytes(), &[]).unwrap()).await;
        assert_eq!(ann.expect("error").await["data"]["code"], "INVALID_MESSAGE");
        assert_eq!(ann.expect_close().await.0, 4200);
    }
    assert_eq!(server.metric("fanfare_inflated").await, 0.0);
}

/// Neither where it is turned off, nor for a client that did not ask, nor on the urgent stream.
#[tokio::test]
async fn without_agreement_there_is_no_compression() {
    let off = TestServer::with(|config| config.compression.enabled = false).await;
    let on = TestServer::start().await;
    let ping = json!({ "event": "client:ping", "id": 1, "data": {} }).to_string();
    let ping = deflate::deflate(ping.repeat(20).as_bytes(), &[]).unwrap();
    for kind in BOTH {
        let hello = json!({ "token": token("ann", "acme", "member", &[]), "compress": ["deflate-raw"] });
        let mut told = Client::open_with(&off.base(), kind, hello).await;
        assert_eq!(told.welcome["compress"], Value::Null);
        let room = room(&mut told, &["bob"]).await;
        told.request("message:send", message(&room, &format!("{kind:?}"), &prose(4096))).await.unwrap();
        told.expect("message:new").await;
        assert_eq!(told.compressed(), 0);
        let silent = on.client(kind, "ann", "member").await;
        for mut client in [told, silent] {
            client.send_compressed(&ping).await;
            assert_eq!(client.expect("error").await["data"]["code"], "INVALID_MESSAGE");
            client.request("client:ping", json!({})).await.unwrap();
        }
    }
    assert_eq!(off.metric("fanfare_compressed").await, 0.0);
    assert_eq!(off.metric("fanfare_inflated").await + on.metric("fanfare_inflated").await, 0.0);
}

/// Who inflates much from little is read more slowly; nothing is lost by it.
#[tokio::test]
async fn requests_that_inflate_much_wait_for_each_other() {
    let server = TestServer::with(|config| config.limits.message_bytes = 65_536).await;
    for kind in BOTH {
        let mut ann = able(&server, kind, "ann").await;
        let request = |id: u32| {
            format!("{}{}", " ".repeat(60_000), json!({ "event": "client:ping", "id": id, "data": {} }))
        };
        for id in 100..104 {
            ann.send_compressed(&deflate::deflate(request(id).as_bytes(), &[]).unwrap()).await;
        }
        for id in 100..104 {
            ann.answer(id).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_rust_client_compresses_both_ways_unless_told_not_to() {
    let server = TestServer::start().await;
    for (transport, compress) in [
        (Transport::WebTransport, true),
        (Transport::WebSocket, true),
        (Transport::WebTransport, false),
        (Transport::WebSocket, false),
    ] {
        let (sent, inflated) =
            (server.metric("fanfare_sent_compressed").await, server.metric("fanfare_inflated").await);
        let user = format!("ann-{transport:?}-{compress}");
        let device = DeviceId::new("laptop").unwrap();
        let config = ClientConfig::new(server.base(), token(&user, "acme", "member", &[]), device)
            .transport(Preference::Only(transport))
            .compress(compress);
        let (client, mut events) = RustClient::connect(config).unwrap();
        // What is said before it has been told where it stands is told to it as a number, not as an event: it stands in no
        // conversation yet.
        while !matches!(events.next().await.unwrap(), Event::Topics(topics) if topics.is_empty()) {}
        let mut peer = server.client(Kind::WebSocket, "peer", "member").await;
        let room = json!({ "client_id": user, "kind": "private", "members": [user] });
        let room = peer.request(ROOM, room).await.unwrap()["conversation_id"].as_str().unwrap().to_owned();
        let text = prose(12_000);
        client.send_message(ConversationId::new(&room).unwrap(), text.clone()).await.unwrap();
        let message = loop {
            if let Event::Message { message, .. } = events.next().await.unwrap() {
                break message;
            }
        };
        assert_eq!(message.text, text);
        let times = |before: f64, after: f64| (after - before) as u64;
        assert_eq!(times(inflated, server.metric("fanfare_inflated").await), u64::from(compress));
        assert_eq!(times(sent, server.metric("fanfare_sent_compressed").await), u64::from(compress));
        client.close().await;
    }
}

/// Nobody waits for a frame that is half compressed: the lane ends with its connection.
#[tokio::test]
async fn a_client_that_leaves_meanwhile_disturbs_nobody() {
    let server = TestServer::start().await;
    let mut ann = able(&server, Kind::WebSocket, "ann").await;
    let room = room(&mut ann, &["bob"]).await;
    let mut bobs = Vec::new();
    for kind in BOTH {
        able(&server, kind, "bob").await.vanish();
        bobs.push(able(&server, kind, "bob").await);
    }
    ann.request("message:send", message(&room, "m", &prose(16_000))).await.unwrap();
    for bob in &mut bobs {
        let got =
            bob.wait(|got| matches!(got, Got::Event(_, event) if event["event"] == "message:new")).await;
        assert!(matches!(got, Got::Event(0, _)), "on the ordered lane");
    }
}

/// Time of this process's shards on a processor, in milliseconds.
fn shards_ms() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        let folder = task.ok()?.path();
        let name = std::fs::read_to_string(folder.join("comm")).ok()?;
        // Nanoseconds on a processor come first.
        let spent = std::fs::read_to_string(folder.join("schedstat")).ok()?;
        let spent = spent.split(' ').next()?.parse::<u64>().ok()?;
        name.starts_with("shard").then_some(spent)
    });
    tasks.sum::<u64>() / 1_000_000
}

/// What it costs and brings: events of 4 KiB to a room of 200, with and without, in one run
/// (figures for decision 021).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: `make soak` runs it"]
async fn figures_of_a_room_of_200() {
    const EVENTS: usize = 20;
    println!("room of 200, {EVENTS} events of 4 KiB | bytes an event and receiver | shards' time, ms");
    let mut rows = Vec::new();
    for kind in BOTH {
        for compress in [json!([]), json!(["deflate-raw"])] {
            let server = TestServer::start().await;
            let mut ann = server.client(Kind::WebSocket, "ann", "member").await;
            let room = room(&mut ann, &["bob", "cem"]).await;
            let mut receivers = Vec::new();
            for n in 0..200 {
                let user = if n % 2 == 0 { "bob" } else { "cem" };
                let hello = json!({ "token": token(user, "acme", "member", &[]), "compress": compress });
                receivers.push(Client::open_with(&server.base(), kind, hello).await);
            }
            let before = (shards_ms(), receivers.iter().map(Client::bytes).sum::<usize>());
            for n in 0..EVENTS {
                ann.request("message:send", message(&room, &format!("m{n}"), &report(n, 4096)))
                    .await
                    .unwrap();
            }
            for receiver in &mut receivers {
                for _ in 0..EVENTS {
                    receiver.expect("message:new").await;
                }
            }
            let bytes = receivers.iter().map(Client::bytes).sum::<usize>() - before.1;
            let row = (bytes / EVENTS / receivers.len(), shards_ms() - before.0);
            println!(
                "figure: {kind:?}, {}: {} bytes an event and receiver, {} ms of the shards",
                if compress == json!([]) { "plain" } else { "compressed" },
                row.0,
                row.1
            );
            rows.push(row);
        }
    }
    for pair in rows.chunks(2) {
        println!("figure: {:.1} times fewer bytes", pair[0].0 as f64 / pair[1].0 as f64);
        assert!(pair[1].0 * 3 < pair[0].0, "{rows:?}");
    }
}

/// A report as one might be sent around: places, times and words, of which few repeat exactly.
fn report(n: usize, bytes: usize) -> String {
    const WORDS: [&str; 16] = [
        "gate", "ward", "checked", "closed", "alarm", "reset", "patient", "moved", "stairs", "north",
        "camera", "guard", "visitor", "badge", "waiting", "lift",
    ];
    let mut state = n as u64 + 1;
    let mut text = String::new();
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pick = |shift: u32| WORDS[(state >> shift) as usize % WORDS.len()];
        let line = format!(
            "{{\"at\":{},\"unit\":\"u-{}\",\"lat\":52.{},\"note\":\"{} {} {}\"}},",
            1_790_000_000_000 + (state >> 20) % 100_000_000,
            (state >> 40) % 500,
            (state >> 30) % 1_000_000,
            pick(60),
            pick(52),
            pick(44),
        );
        text.push_str(&line);
    }
    text
}
