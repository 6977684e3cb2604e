//! Trackers while a clock is set, the server's or their own: what they send has the time at which it was taken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use fanfare_client::{
    Client as Library, Config, Preference, Sample, Token, Tracker, TrackerConfig, Transport,
    proto::{DeviceId, Motion, Position, UnixMs},
};
use serde_json::json;
use tokio::{sync::watch, time::interval};

use crate::{
    positions::live::now,
    support::{
        client::{BOTH, Client, Kind},
        harness::{TestServer, token},
    },
};

const HOUR: i64 = 3_600_000;

fn config(server: &TestServer, kind: Kind, token: impl Into<Token>) -> Config {
    let transport = match kind {
        Kind::WebTransport => Transport::WebTransport,
        Kind::WebSocket => Transport::WebSocket,
    };
    Config::new(server.base(), token, DeviceId::new("phone").unwrap()).transport(Preference::Only(transport))
}

/// Records what a clock shows, which is off by so much.
async fn record(tracker: &Tracker, off: i64) {
    let position = Position::from_degrees(1.0, 2.0).unwrap();
    let time = UnixMs(now().saturating_add_signed(off));
    tracker.record(Sample { time, position, motion: Motion::default() }).await.unwrap();
}

/// The times of what is stored of an agent, in the order in which it was recorded, and the time of what is shown.
async fn stored(server: &TestServer, kind: Kind, agent: &str) -> (Vec<u64>, u64) {
    let mut boss = Client::open(&server.base(), kind, &token("boss", "acme", "supervisor", &[])).await;
    let span = json!({ "agent_id": agent, "from": 0, "to": (1_u64 << 53) - 1 });
    let track = boss.request("location:history", span).await.unwrap();
    let fix = |fix: &serde_json::Value| (fix["counter"].as_u64().unwrap(), fix["time"].as_u64().unwrap());
    let mut fixes: Vec<_> = track["fixes"].as_array().unwrap().iter().map(fix).collect();
    fixes.sort_unstable();
    let latest = boss.request("location:latest", json!({})).await.unwrap();
    let mut agents = latest["agents"].as_array().unwrap().iter();
    let shown = agents.find(|shown| shown["agent_id"] == agent).unwrap();
    (fixes.into_iter().map(|(_, time)| time).collect(), fix(&shown["fix"]).1)
}

/// The server's clock steps, and back, while a device whose clock is right goes on.
#[tokio::test]
async fn a_tracker_does_not_follow_a_step_of_the_server() {
    let server = TestServer::with(|config| {
        (config.session.heartbeat_ms, config.ticks.acknowledge_ms) = (100, 100);
    })
    .await;
    let begun = now();
    let mut trackers = Vec::new();
    for kind in BOTH {
        let agent = format!("right-{kind:?}");
        let config = config(&server, kind, token(&agent, "acme", "agent", &[]));
        let (library, events) = Library::connect(config).unwrap();
        library.opened().await.unwrap();
        let tracker = library.tracker(TrackerConfig::default()).await.unwrap();
        trackers.push((kind, agent, tracker, library, events));
    }
    let mut ticks = interval(Duration::from_millis(20));
    for step in [-HOUR, HOUR, 0] {
        server.step(step);
        // Longer than two heartbeats, by which they hear of it.
        for _ in 0..12 {
            ticks.tick().await;
            for (_, _, tracker, ..) in &trackers {
                record(tracker, 0).await;
            }
        }
    }
    for (kind, agent, tracker, ..) in trackers {
        tracker.drained().await;
        let (times, shown) = stored(&server, kind, &agent).await;
        assert_eq!((times.len(), tracker.stats().rejected, tracker.stats().corrected), (36, 0, 0));
        assert!(times.iter().all(|time| (begun..=now()).contains(time)) && times.is_sorted(), "{times:?}");
        assert_eq!(Some(&shown), times.last());
    }
}

/// A phone that is two minutes fast records before it is connected, and is set right later.
#[tokio::test]
async fn nothing_of_a_fast_phone_is_lost_and_nothing_is_of_later() {
    let server = TestServer::with(|config| config.ticks.acknowledge_ms = 100).await;
    for kind in BOTH {
        let agent = format!("fast-{kind:?}");
        let begun = now();
        let off = Arc::new(AtomicI64::new(120_000));
        let (signed, token) = (watch::Sender::new(false), token(&agent, "acme", "agent", &[]));
        // Without a token it does not connect.
        let provider = {
            let signed = signed.subscribe();
            move || {
                let (mut signed, token) = (signed.clone(), token.clone());
                async move {
                    drop(signed.wait_for(|signed| *signed).await);
                    Ok(token)
                }
            }
        };
        let mut config = config(&server, kind, Token::provider(provider));
        config.environment.now = {
            let off = off.clone();
            Arc::new(move || UnixMs(now().saturating_add_signed(off.load(Relaxed))))
        };
        let (library, _events) = Library::connect(config).unwrap();
        let tracker = library.tracker(TrackerConfig::default()).await.unwrap();
        for _ in 0..3 {
            record(&tracker, 120_000).await;
        }
        signed.send_replace(true);
        library.opened().await.unwrap();
        record(&tracker, 120_000).await;
        tracker.drained().await;
        off.store(0, Relaxed);
        record(&tracker, 0).await;
        tracker.drained().await;
        let stats = tracker.stats();
        assert_eq!((stats.stored, stats.rejected, stats.corrected), (5, 0, 4), "{kind:?}");
        let (times, shown) = stored(&server, kind, &agent).await;
        // What they say of the time is rounded, and on the way for a while.
        let plausible = begun - 500..=now() + 500;
        assert!(times.len() == 5 && times.iter().all(|time| plausible.contains(time)), "{times:?} {begun}");
        assert_eq!(shown, times[4]);
    }
}
