//! The server's wall clock is set ahead or back while clients go on: nobody is refused, closed or forgotten by that.

use std::{path::Path, time::Duration};

use futures::future::join_all;
use serde_json::json;
use tokio::time::{Instant, interval, timeout};

use crate::{
    positions::live::{fix, now, send},
    presence::watch,
    security::revocation,
    support::{
        client::{BOTH, Client, Kind},
        harness::{Process, TestServer, token},
        until::until,
    },
};

/// Below the rates that follow, and in all above what may come at once.
const EVERY: Duration = Duration::from_millis(30);
const REQUESTS: u64 = 120;
/// A second; twice as many at once.
const RATES: [(&str, &str); 2] =
    [("FANFARE_LIMITS__MESSAGES_PER_SECOND", "40"), ("FANFARE_LIMITS__PACKETS_PER_SECOND", "40")];

/// A client that works, as long as `clock` says.
struct Works {
    client: Client,
    counter: u64,
}

impl Works {
    async fn new(base: &str, kind: Kind) -> Self {
        let token = token(&format!("taxi-{kind:?}"), "acme", "agent", &[]);
        Self { client: Client::open(base, kind, &token).await, counter: 0 }
    }

    /// Asks and sends fixes for some seconds. Nothing is refused, and what is sent at the end arrives.
    async fn go_on(&mut self, what: &str) {
        let mut ticks = interval(EVERY);
        for _ in 0..REQUESTS {
            ticks.tick().await;
            let answer = self.client.request("client:ping", json!({})).await;
            assert!(answer.is_ok(), "{what}: {answer:?}");
            self.send().await;
        }
        // A datagram may be lost.
        let begun = Instant::now();
        let first = self.counter;
        loop {
            self.send().await;
            let stored = timeout(Duration::from_millis(2500), self.client.expect("location:stored")).await;
            let last = stored.ok().and_then(|stored| {
                stored["data"]["stored"].as_array()?.iter().filter_map(|range| range[1].as_u64()).max()
            });
            if last.is_some_and(|last| last >= first) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(15), "{what}: no fix arrives any more");
        }
        assert!(self.client.drain("error").await.is_empty(), "{what}");
    }

    async fn send(&mut self) {
        self.counter += 1;
        // By a clock that is right.
        send(&mut self.client, &[fix(self.counter, now(), 31.0, 121.0)]).await;
    }
}

#[tokio::test]
async fn a_step_of_the_wall_clock_refuses_nobody() {
    let server = TestServer::with(|config| {
        (config.limits.messages_per_second, config.limits.packets_per_second) = (40, 40);
    })
    .await;
    let base = &server.base();
    let mut clients = join_all(BOTH.map(|kind| Works::new(base, kind))).await;
    for step in [-120_000, -3_600_000, 3_600_000] {
        server.step(step);
        join_all(clients.iter_mut().map(|client| client.go_on("stepped"))).await;
    }
    // The hour that was ahead is gone again.
    server.step(0);
    join_all(clients.iter_mut().map(|client| client.go_on("set right"))).await;
}

/// Who has gone is gone after the grace, whatever the clock was set to meanwhile, and not before.
#[tokio::test]
async fn a_grace_is_counted_by_time_that_passes() {
    let server = TestServer::start().await;
    let grace = server.config.presence.grace_ms;
    for (kind, step) in BOTH.into_iter().zip([-3_600_000, 3_600_000]) {
        server.step(0);
        let name = format!("ann-{kind:?}");
        let mut boss = server.client(kind, &format!("boss-{kind:?}"), "supervisor").await;
        let mut people = watch(&mut boss, Some(&[&name])).await;
        let phone = server.client(kind, &name, "member").await;
        people.until_status(&mut boss, &name, "online").await;
        let before = server.metric("fanfare_connections").await;
        drop(phone);
        until("the connection has ended", async || server.metric("fanfare_connections").await < before).await;
        server.step(step);
        // The absence of an event is the result: a wall clock that is ahead would end it with the next flush (250 ms).
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(boss.drain("presence:changed").await.is_empty(), "{step}");
        // One that is behind would not end it for an hour.
        server.pass(grace);
        people.until_status(&mut boss, &name, "offline").await;
    }
}

/// A token that still had an hour does not end because the wall clock was set ahead; nor early where it was set back.
#[tokio::test]
async fn a_connection_ends_with_its_token_and_not_by_a_step() {
    let server = TestServer::start().await;
    for kind in BOTH {
        server.step(0);
        let exp = now() / 1000 + 600;
        let claims = json!({ "sub": "ann", "org": crate::support::store::organisation("acme"), "roles": ["member"], "exp": exp });
        let mut ann =
            Client::open(&server.base(), kind, &crate::security::invalid_input::signed(&claims)).await;
        server.step(3_600_000);
        for _ in 0..10 {
            ann.request("client:ping", json!({})).await.unwrap();
        }
        // A new connection is judged by the wall clock.
        let mut late = Client::connect(&server.base(), kind).await;
        let hello = json!({ "event": "authenticate", "id": 1, "data": { "token": crate::security::invalid_input::signed(&claims) } });
        late.send(&hello).await;
        assert_eq!(late.expect("error").await["data"]["code"], "TOKEN_EXPIRED");
        assert_eq!(late.expect_close().await.0, 4003);
        ann.request("client:ping", json!({})).await.unwrap();
        // One that ends in two seconds does not, by a clock that is behind; nor is it looked at all the time.
        server.step(0);
        let exp = now() / 1000 - 3;
        let claims = json!({ "sub": "bob", "org": crate::support::store::organisation("acme"), "roles": ["member"], "exp": exp });
        let mut bob =
            Client::open(&server.base(), kind, &crate::security::invalid_input::signed(&claims)).await;
        server.step(-120_000);
        let mut ticks = interval(Duration::from_millis(100));
        for _ in 0..30 {
            ticks.tick().await;
            bob.request("client:ping", json!({})).await.unwrap();
        }
    }
}

/// A clock that is an hour behind makes no token look newer than the revocation of its user.
#[tokio::test]
async fn a_user_is_revoked_while_the_clock_is_behind() {
    for kind in BOTH {
        let server = TestServer::start().await;
        let base = &server.base();
        let ann = &revocation::issued_at(now() - 20 * 60_000, "ann", "acme", "ann-1");
        let mut inside = revocation::open(base, kind, ann, "phone").await;
        server.step(-3_600_000);
        let all = json!({ "client_id": "r", "user_id": "ann" });
        revocation::revoke(base, &revocation::admin("acme"), all).await;
        revocation::is_out(&mut inside).await;
        server.step(0);
        revocation::is_refused(base, kind, ann, "phone").await;
    }
}

/// The same where it was behind from the start, and the hour is known by the token alone.
#[tokio::test]
async fn a_token_that_was_let_in_is_no_newer_than_its_revocation() {
    for kind in BOTH {
        let server = TestServer::start().await;
        let base = &server.base();
        server.step(3_600_000);
        let ann = &revocation::issued_at(now() + 50 * 60_000, "ann", "acme", "ann-1");
        let mut inside = revocation::open(base, kind, ann, "phone").await;
        server.step(0);
        let all = json!({ "client_id": "r", "user_id": "ann" });
        revocation::revoke(base, &revocation::admin("acme"), all).await;
        revocation::is_out(&mut inside).await;
        server.step(3_600_000);
        revocation::is_refused(base, kind, ann, "phone").await;
    }
}

/// A clock that is ahead for some time ends no revocation before its time.
#[tokio::test]
async fn a_revocation_outlives_a_clock_that_is_ahead() {
    let server = TestServer::start().await;
    let base = &server.base();
    let boss = &revocation::admin("acme");
    let ann = &revocation::issued("ann", "acme", "ann-1");
    let all = json!({ "client_id": "r", "user_id": "ann", "until": now() + 600_000 });
    revocation::revoke(base, boss, all).await;
    server.step(3_600_000);
    // The log is read, and what has ended is forgotten.
    revocation::revoke(base, boss, json!({ "client_id": "s", "token_id": "another" })).await;
    for step in [3_600_000, 0] {
        server.step(step);
        for kind in BOTH {
            revocation::is_refused(base, kind, ann, "phone").await;
        }
    }
    server.pass(601_000);
    for kind in BOTH {
        revocation::is_in(&mut revocation::open(base, kind, ann, "phone").await).await;
    }
}

/// Moves the wall clock of a running server.
struct FakedClock<'a>(&'a Path);

impl FakedClock<'_> {
    fn set(&self, offset: &str) {
        let new = self.0.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(&new, self.0).unwrap();
    }
}

/// The same with the real program, whose system calls for the wall clock answer another time.
#[tokio::test]
async fn a_real_clock_that_steps_refuses_nobody() {
    let library = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|machine| format!("/usr/lib/{machine}/faketime/libfaketimeMT.so.1"))
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("libfaketime is needed: scripts/prepare.sh installs it");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("offset");
    let clock = FakedClock(&file);
    clock.set("+0");
    let path = file.to_str().unwrap();
    let mut settings = vec![
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", path),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_NO_CACHE", "1"),
    ];
    settings.extend(RATES);
    let process = Process::start_with(dir.path(), &settings).await;
    let mut clients = join_all(BOTH.map(|kind| Works::new(&process.base, kind))).await;
    for offset in ["-120", "-3600", "+3600"] {
        clock.set(offset);
        let seconds: i64 = offset.parse().unwrap();
        let pong = clients[0].client.request("client:ping", json!({})).await;
        assert!(pong.is_ok());
        let asked = Instant::now();
        // It does see another time.
        loop {
            let told = Client::open(&process.base, BOTH[0], &token("eve", "acme", "member", &[]))
                .await
                .welcome
                .clone();
            let ahead = told["time"].as_i64().unwrap() - i64::try_from(now()).unwrap();
            if (ahead - seconds * 1000).abs() < 20_000 {
                break;
            }
            assert!(asked.elapsed() < Duration::from_secs(10), "the clock was not moved: {ahead}");
        }
        join_all(clients.iter_mut().map(|client| client.go_on(offset))).await;
    }
    process.stop().await;
}
