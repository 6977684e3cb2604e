//! Clocks that are set while a tracker works: of the device, and of the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use fanfare_proto::{
    Command, Fix, Motion, Position, UnixMs,
    event::{Authenticated, LocationStored, name},
    tick,
};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::fake::{Peer, Test, authenticated, config};
use crate::{Sample, Tracker, TrackerConfig};

const T: u64 = 1_790_000_000_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// The right time, and by how much the device's clock and the server's are off.
#[derive(Clone)]
struct Clocks {
    begun: Instant,
    device: Arc<AtomicI64>,
    server: Arc<AtomicI64>,
}

impl Clocks {
    fn new(device: i64) -> Self {
        Self { begun: Instant::now(), device: Arc::new(device.into()), server: Arc::default() }
    }

    fn right(&self) -> u64 {
        T + self.begun.elapsed().as_millis() as u64
    }

    fn device(&self) -> UnixMs {
        UnixMs(self.right().saturating_add_signed(self.device.load(Relaxed)))
    }

    fn server(&self) -> UnixMs {
        UnixMs(self.right().saturating_add_signed(self.server.load(Relaxed)))
    }

    /// A client of the device.
    fn start(&self) -> Test {
        let (mut config, clocks) = (config(), self.clone());
        config.environment.now = Arc::new(move || clocks.device());
        Test::start(config)
    }

    async fn greet(&self, test: &mut Test) -> Peer {
        let mut peer = test.peer().await;
        let request = peer.any_request().await.expect("a greeting");
        let data = Authenticated { time: self.server(), ..authenticated() };
        peer.answer_with(name::AUTHENTICATED, &request, &data).await;
        test.client.opened().await.expect("opens");
        peer
    }

    async fn ping(&self, peer: &mut Peer) {
        peer.say(name::SERVER_PING, &json!({ "time": self.server().0 })).await;
        super::idle().await;
    }

    /// Records what the device's clock shows.
    async fn record(&self, tracker: &Tracker) {
        let position = Position::from_degrees(12.5, 77.5).unwrap();
        let sample = Sample { time: self.device(), position, motion: Motion::default() };
        tracker.record(sample).await.unwrap();
    }

    /// By how much the time of a fix that is sent at once is off, in milliseconds.
    async fn error(&self, tracker: &Tracker, peer: &mut Peer) -> i64 {
        self.record(tracker).await;
        let fixes = packet(peer).await;
        assert_eq!(fixes.len(), 1);
        fixes[0].time.0 as i64 - self.right() as i64
    }
}

async fn packet(peer: &mut Peer) -> Vec<Fix> {
    let packet = timeout(Duration::from_secs(1), peer.ends().packets.recv()).await;
    let fixes = tick::unpack_fixes(&packet.expect("soon").expect("open")).unwrap();
    fixes.into_iter().map(|fix| fix.unwrap()).collect()
}

fn from_one() -> TrackerConfig {
    TrackerConfig { first_counter: Some(1), ..TrackerConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn a_step_of_the_servers_clock_changes_no_fix() {
    for (device, step) in [(0, -HOUR), (0, HOUR), (2 * MINUTE, -HOUR), (-2 * MINUTE, HOUR)] {
        let clocks = Clocks::new(device);
        let mut test = clocks.start();
        let mut peer = clocks.greet(&mut test).await;
        let tracker = test.client.tracker(from_one()).await.unwrap();
        assert_eq!(clocks.error(&tracker, &mut peer).await, 0);
        for server in [step, step, 0] {
            clocks.server.store(server, Relaxed);
            super::pass(Duration::from_secs(1)).await;
            clocks.ping(&mut peer).await;
            assert_eq!(clocks.error(&tracker, &mut peer).await, 0, "device {device}, server {server}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_set_right_is_right_at_once() {
    for device in [2 * MINUTE, -2 * MINUTE] {
        let clocks = Clocks::new(device);
        let mut test = clocks.start();
        let mut peer = clocks.greet(&mut test).await;
        let tracker = test.client.tracker(from_one()).await.unwrap();
        assert_eq!(clocks.error(&tracker, &mut peer).await, 0);
        clocks.device.store(0, Relaxed);
        super::pass(Duration::from_secs(1)).await;
        assert_eq!(clocks.error(&tracker, &mut peer).await, 0, "{device}");
        assert_eq!(tracker.stats().corrected, 1, "{device}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_before_the_first_connection_is_corrected() {
    let clocks = Clocks::new(2 * MINUTE);
    let mut test = clocks.start();
    let tracker = test.client.tracker(from_one()).await.unwrap();
    let mut right = Vec::new();
    for _ in 0..3 {
        right.push(clocks.right());
        clocks.record(&tracker).await;
        super::pass(Duration::from_secs(3)).await;
    }
    let mut peer = clocks.greet(&mut test).await;
    // The last one flies; the others are too old for it.
    assert_eq!(packet(&mut peer).await[0].time.0, right[2]);
    let request = peer.request().await;
    let Command::LocationUpdate(update) = &request.command else { panic!("{request:?}") };
    let times: Vec<u64> = update.fixes.iter().map(|fix| Fix::try_from(*fix).unwrap().time.0).collect();
    assert_eq!(times, right[..2]);
    assert_eq!(tracker.stats().corrected, 3);
    peer.answer(&request, &LocationStored { stored: vec![(1, 3)], rejected: Vec::new() }).await;
    tracker.drained().await;
}

/// A fix that was sent is sent again with the time that it had, also after a restart.
#[cfg(feature = "disk")]
#[tokio::test]
async fn a_corrected_time_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = || from_one().disk(dir.path().join("fixes.db"), "u");
    let clocks = Clocks::new(2 * MINUTE);
    let mut test = clocks.start();
    let tracker = test.client.tracker(on_disk()).await.unwrap();
    clocks.record(&tracker).await;
    let mut peer = clocks.greet(&mut test).await;
    let sent = packet(&mut peer).await;
    assert!(sent[0].time.0 <= clocks.right());
    tracker.stop().await;
    let tracker = test.client.tracker(on_disk()).await.unwrap();
    let request = peer.request().await;
    let Command::LocationUpdate(update) = &request.command else { panic!("{request:?}") };
    assert_eq!(Fix::try_from(update.fixes[0]), Ok(sent[0]));
    tracker.stop().await;
}
