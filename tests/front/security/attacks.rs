//! Attacks on a server in a process of its own: what they make it remember, and whether others still get in.

use std::{any::Any, net::Ipv4Addr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::support::{
    client::{BOTH, Client, Got, Kind, open_session},
    harness::{Process, http_get, token},
    slow_reader::Reluctant,
    udp_proxy::{Back, Tap, udp},
    until::until,
};

/// What an attacker keeps while the server is looked at.
type Kept = Vec<Box<dyn Any + Send>>;

struct Attack<'a> {
    base: &'a str,
    told: Value,
    kept: Kept,
}

impl Attack<'_> {
    fn keep(&mut self, thing: impl Any + Send) {
        self.kept.push(Box::new(thing));
    }

    /// A TCP connection from one of the attacker's addresses.
    async fn tcp(&self, address: Ipv4Addr) -> Option<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        let host = self.base.strip_prefix("http://").unwrap().parse().unwrap();
        socket.connect(host).await.ok()
    }

    /// Begins `count` QUIC handshakes from an address, of which none ends.
    async fn handshakes(&mut self, from: Ipv4Addr, count: usize, back: Back) -> usize {
        let tap = Tap::start(udp(&self.told), from, usize::MAX, back).await;
        let endpoint = quic_endpoint(&self.told);
        for _ in 0..count {
            // It lives as long as the endpoint.
            let connecting = endpoint.connect(tap.address, "localhost").unwrap();
            self.keep(connecting);
            tokio::task::yield_now().await;
        }
        // Until the server has looked at the first of them, and at the rest of this burst.
        until("something comes back", async || tap.counted(|counts| &counts.back) > 0).await;
        let retries = tap.counted(|counts| &counts.retries);
        self.keep((tap, endpoint));
        retries
    }
}

fn quic_endpoint(told: &Value) -> quinn::Endpoint {
    let mut endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    endpoint.set_default_client_config(crate::support::client::quic_config(told));
    endpoint
}

const fn attacker(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 66, (n >> 8) as u8, n as u8)
}

async fn half_open_handshakes(attack: &mut Attack<'_>) {
    for n in 0..8 {
        attack.handshakes(attacker(n), 250, Back::Retry).await;
    }
}

async fn forged_initials(attack: &mut Attack<'_>) {
    let mut retries = 0;
    for n in 0..200 {
        retries += attack.handshakes(attacker(n), 20, Back::Nothing).await;
    }
    assert!(retries > 1000, "most were to prove their addresses, not {retries}");
}

async fn slow_heads(attack: &mut Attack<'_>) {
    for n in 0..6000 {
        let Some(mut stream) = attack.tcp(attacker(n % 8)).await else { continue };
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx-").await;
        attack.keep(stream);
    }
}

async fn strangers(attack: &mut Attack<'_>) {
    // Half of them say as much as they may, and none who they are.
    let upgrade = b"GET /ws HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    for n in 0..2000 {
        let Some(mut stream) = attack.tcp(attacker(n % 8)).await else { continue };
        let _ = stream.write_all(upgrade).await;
        let mut answer = [0; 64];
        let _ = stream.read(&mut answer).await;
        if n % 2 == 0 {
            // The head of a masked message of 60,000 bytes, and most of it.
            let _ = stream.write_all(&[0x81, 0xfe, 0xea, 0x60, 0, 0, 0, 0]).await;
            let _ = stream.write_all(&vec![b'x'; 59_000]).await;
        }
        attack.keep(stream);
    }
    for _ in 0..150 {
        if let Ok(Ok(session)) = timeout(Duration::from_secs(10), open_session(&attack.told)).await {
            attack.keep(session);
        }
    }
}

async fn connection_flood(attack: &mut Attack<'_>) {
    let mut refused = 0;
    for _ in 0..5000 {
        let Some(mut stream) = attack.tcp(attacker(0)).await else { continue };
        let _ = stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        refused += usize::from(answer.is_empty());
    }
    assert!(refused > 1000, "{refused}");
}

async fn message_flood(attack: &mut Attack<'_>) {
    for kind in BOTH {
        let mut client = Client::open(attack.base, kind, &token("mallory", "evil", "member", &[])).await;
        for _ in 0..20_000 {
            client.send_text(r#"{"event":"client:ping","id":1}"#).await;
        }
        let code = loop {
            if let Got::Closed(code, _) = client.next().await {
                break code;
            }
        };
        // A client that does not look up from writing may find the path broken instead.
        assert!([4201, 4001, 0].contains(&code), "{kind:?}: {code}");
    }
}

async fn huge_frames(attack: &mut Attack<'_>) {
    for n in 0..60 {
        let kind = BOTH[n % 2];
        let user = format!("mallory{n}");
        let mut client = Client::open(attack.base, kind, &token(&user, "evil", "member", &[])).await;
        match kind {
            Kind::WebTransport => {
                client.send_raw(&1_048_576_u32.to_be_bytes()).await;
                client.send_raw(&vec![b'x'; 1_048_000]).await;
            }
            Kind::WebSocket => client.send_text(&"x".repeat(1_048_576)).await,
        }
        attack.keep(client);
    }
}

async fn many_streams(attack: &mut Attack<'_>) {
    for _ in 0..40 {
        let session = open_session(&attack.told).await.unwrap();
        for _ in 0..200 {
            let Ok(Ok((mut send, recv))) = timeout(Duration::from_millis(20), session.open_bi()).await else {
                break;
            };
            let _ = timeout(Duration::from_millis(20), send.write_all(&vec![b'x'; 20_000])).await;
            attack.keep((send, recv));
        }
        for _ in 0..200 {
            let Ok(Ok(mut send)) = timeout(Duration::from_millis(20), session.open_uni()).await else {
                break;
            };
            let _ = timeout(Duration::from_millis(20), send.write_all(&vec![b'x'; 20_000])).await;
            attack.keep(send);
        }
        attack.keep(session);
    }
}

async fn unread_receivers(attack: &mut Attack<'_>) {
    let mut members = Vec::new();
    for n in 0..20 {
        let user = format!("deaf{n}");
        let token = token(&user, "evil", "member", &[]);
        attack.keep(Reluctant::open(attack.base, BOTH[n % 2], &token).await);
        members.push(user);
    }
    let mut mallory =
        Client::open(attack.base, Kind::WebSocket, &token("mallory", "evil", "member", &[])).await;
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let room = crate::chat::conversations::create(&mut mallory, "deaf", &members).await;
    let text = "x".repeat(16_000);
    for n in 0..300 {
        let say = json!({ "client_id": format!("m{n}"), "conversation_id": room, "text": text });
        // Refused where it is too fast, which is fine.
        let _ = mallory.request("message:send", say).await;
    }
    attack.keep(mallory);
}

async fn guesses(attack: &mut Attack<'_>) {
    for n in 0..1500 {
        let kind = BOTH[usize::from(n % 10 == 0)];
        if kind == Kind::WebTransport && n % 3 != 0 {
            continue;
        }
        let mut client = Client::connect(attack.base, kind).await;
        let guess = format!("eyJhbGciOiJIUzI1NiJ9.e30.{n:0>43}");
        client.send(&json!({ "event": "authenticate", "data": { "token": guess } })).await;
        assert_eq!(client.expect("error").await["data"]["code"], "AUTH_FAILED");
        client.expect_close().await;
    }
}

/// Most that an attack may make the server take, in KiB. What there is room for: 4,096 in the lobby with 64 KiB each,
/// and a MiB of a guest.
const BOUND: u64 = 256 * 1024;

macro_rules! attacks {
    ($($name:ident: $words:literal,)*) => {
        const NAMES: &[&str] = &[$($words),*];

        async fn run(name: &str, attack: &mut Attack<'_>) {
            match name {
                $($words => $name(attack).await,)*
                other => unreachable!("{other}"),
            }
        }
    };
}

attacks! {
    half_open_handshakes: "QUIC handshakes that do not end",
    forged_initials: "first packets of forged addresses",
    slow_heads: "heads that do not end",
    strangers: "connections that never authenticate",
    connection_flood: "connections from one address",
    message_flood: "messages without a pause",
    huge_frames: "frames of a MiB that do not end",
    many_streams: "as many streams as are given",
    unread_receivers: "receivers that do not read",
    guesses: "guessed tokens",
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: `make soak` runs it"]
async fn attacks_cost_little_and_keep_nobody_out() {
    let mut table = vec![format!("{:<36} {:>10} {:>10} {:>10}", "attack (KiB)", "before", "peak", "after")];
    let mut grown = Vec::new();
    for name in NAMES {
        let dir = tempfile::tempdir().unwrap();
        // The attacker's addresses are counted, and ours are not.
        let server = Process::start_with(dir.path(), &[("FANFARE_LIMITS__EXEMPT", "127.0.0.1/32")]).await;
        let told = serde_json::from_str(&http_get(&server.base, "/api/v1/transport").await).unwrap();
        // What every first connection costs is no attack's.
        for kind in BOTH {
            Client::open(&server.base, kind, &token("ann", "acme", "member", &[])).await.close().await;
        }
        let before = server.memory("VmRSS");
        let mut attack = Attack { base: &server.base, told, kept: Vec::new() };
        run(name, &mut attack).await;
        for kind in BOTH {
            let mut ann = Client::open(&server.base, kind, &token("ann", "acme", "member", &[])).await;
            ann.request("client:ping", json!({})).await.unwrap_or_else(|e| panic!("{name}, {kind:?}: {e}"));
        }
        let (peak, after) = (server.memory("VmHWM"), server.memory("VmRSS"));
        table.push(format!("figure: {name:<36} {before:>10} {peak:>10} {after:>10}"));
        grown.push((*name, peak.saturating_sub(before)));
        drop(attack);
    }
    println!("{}", table.join("\n"));
    for (name, grown) in grown {
        assert!(grown < BOUND, "{name}: {grown} KiB more");
    }
}
