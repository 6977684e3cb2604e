//! The tracker's rules one by one, its bounds, and its file.

use std::{sync::Arc, time::Duration};

use fanfare_proto::{
    BadFix, Command, ErrorCode, Fix, JsonFix, Motion, Position, Request, UnixMs,
    command::{GivenFix, LocationUpdate},
    event::{LocationStored, RejectedFix, name},
    id::MAX_NUMBER,
    tick,
};
use tokio::time::{Instant, timeout};

use super::fake::{Peer, Test, config};
use crate::{Error, Sample, TrackerConfig, Why};

fn sample(n: u64) -> Sample {
    Sample {
        time: UnixMs(n),
        position: Position::from_degrees(12.5, 77.5).unwrap(),
        motion: Motion::default(),
    }
}

fn from_one() -> TrackerConfig {
    TrackerConfig { first_counter: Some(1), ..TrackerConfig::default() }
}

async fn update(peer: &mut Peer) -> (Request, Vec<u64>) {
    let request = peer.request().await;
    let Command::LocationUpdate(LocationUpdate { fixes }) = &request.command else {
        panic!("{request:?}");
    };
    let counters = fixes.iter().map(GivenFix::counter).collect();
    (request, counters)
}

async fn packet(peer: &mut Peer) -> Vec<u64> {
    let packet = timeout(Duration::from_secs(1), peer.ends().packets.recv()).await;
    let fixes = tick::unpack_fixes(&packet.expect("soon").expect("open")).unwrap();
    fixes.into_iter().map(|fix| fix.unwrap().counter).collect()
}

fn stored(ranges: &[(u64, u64)]) -> LocationStored {
    LocationStored { stored: ranges.to_vec(), rejected: Vec::new() }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_acknowledged_is_sent_again_reliably() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let tracker = test.client.tracker(from_one()).await.unwrap();
    for n in 1..=4 {
        assert_eq!(tracker.record(sample(n)).await, Ok(n));
        assert_eq!(packet(&mut peer).await, [n]);
    }
    let start = Instant::now();
    peer.say(name::LOCATION_STORED, &stored(&[(1, 2), (4, 4)])).await;
    let (request, counters) = update(&mut peer).await;
    assert_eq!(counters, [3]);
    assert!(start.elapsed() >= Duration::from_millis(4900));
    peer.answer(&request, &stored(&[(3, 3)])).await;
    tracker.drained().await;
    let stats = tracker.stats();
    assert_eq!((stats.recorded, stats.stored, stats.pending), (4, 4, 0));
    assert_eq!((stats.sent_fast, stats.sent_reliably), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_recorded_offline_goes_reliably_and_in_parts() {
    let mut test = Test::start(config());
    let tracker = test.client.tracker(from_one()).await.unwrap();
    for n in 1..=1200 {
        tracker.record(sample(n)).await.unwrap();
    }
    super::pass(Duration::from_secs(5)).await;
    let (mut peer, _) = test.greeted().await;
    for expected in [1..=500, 501..=1000, 1001..=1200] {
        let (request, counters) = update(&mut peer).await;
        assert_eq!(counters, expected.clone().collect::<Vec<_>>());
        // One request at a time.
        super::idle().await;
        assert!(peer.ends().ordered.try_recv().is_err());
        peer.answer(&request, &stored(&[(*expected.start(), *expected.end())])).await;
    }
    tracker.drained().await;
    assert_eq!(tracker.stats().sent_fast, 0);
    assert!(peer.ends().packets.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn after_a_reconnect_nothing_is_waited_for() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let tracker = test.client.tracker(from_one()).await.unwrap();
    tracker.record(sample(1)).await.unwrap();
    packet(&mut peer).await;
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    let start = Instant::now();
    let (_, counters) = update(&mut peer).await;
    assert_eq!(counters, [1]);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn rejected_fixes_are_told_and_forgotten() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let tracker = test.client.tracker(from_one()).await.unwrap();
    let mut discarded = tracker.discarded();
    tracker.record(sample(1)).await.unwrap();
    packet(&mut peer).await;
    let rejected = |counter| RejectedFix { counter, reason: BadFix::TooOld, index: None };
    let word = LocationStored {
        // Nonsense of a peer harms nobody.
        stored: vec![(9, 3), (5, MAX_NUMBER)],
        rejected: vec![rejected(1), rejected(77)],
    };
    peer.say(name::LOCATION_STORED, &word).await;
    tracker.drained().await;
    let told = discarded.recv().await.unwrap();
    assert_eq!((told.fix.counter, told.why), (1, Why::Rejected(BadFix::TooOld)));
    assert_eq!(tracker.stats().rejected, 1);
    assert!(discarded.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn one_bad_fix_does_not_keep_the_others() {
    let mut test = Test::start(config());
    let tracker = test.client.tracker(from_one()).await.unwrap();
    let mut discarded = tracker.discarded();
    for n in 1..=100 {
        tracker.record(sample(n)).await.unwrap();
    }
    super::pass(Duration::from_secs(6)).await;
    let (mut peer, _) = test.greeted().await;
    let mut requests = 0;
    let server = async {
        loop {
            let (request, counters) = update(&mut peer).await;
            requests += 1;
            if counters.contains(&42) {
                let error = ErrorCode::InvalidMessage.with("42");
                peer.answer_with(name::ERROR, &request, &error).await;
            } else {
                let ranges: Vec<_> = counters.iter().map(|c| (*c, *c)).collect();
                peer.answer(&request, &stored(&ranges)).await;
            }
        }
    };
    tokio::select! {
        () = server => {}
        () = tracker.drained() => {}
    }
    let told = discarded.recv().await.unwrap();
    assert_eq!(told.fix.counter, 42);
    assert!(matches!(told.why, Why::Refused(_)));
    assert_eq!(tracker.stats().stored, 99);
    assert!(requests < 30, "{requests}");
}

#[tokio::test(start_paused = true)]
async fn the_server_says_when_to_try_again() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let tracker = test.client.tracker(from_one()).await.unwrap();
    tracker.record(sample(1)).await.unwrap();
    packet(&mut peer).await;
    let (request, _) = update(&mut peer).await;
    let start = Instant::now();
    let busy = ErrorCode::RateLimitExceeded.with("slow down").retry_after(7000);
    peer.answer_with(name::ERROR, &request, &busy).await;
    let (request, counters) = update(&mut peer).await;
    assert_eq!(counters, [1]);
    assert!(start.elapsed() >= Duration::from_secs(7));
    assert_eq!(tracker.stats().refused, Some(ErrorCode::RateLimitExceeded));
    // An answer that leaves it open: again, but not at once.
    let start = Instant::now();
    peer.answer(&request, &LocationStored::default()).await;
    let (_, counters) = update(&mut peer).await;
    assert_eq!(counters, [1]);
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_is_dropped_where_there_is_no_room() {
    let test = Test::start(config());
    let keep = 10;
    let tracker_config = TrackerConfig { keep, ..from_one() };
    let tracker = test.client.tracker(tracker_config).await.unwrap();
    let mut discarded = tracker.discarded();
    for n in 1..=25 {
        tracker.record(sample(n)).await.unwrap();
    }
    let mut dropped = Vec::new();
    while dropped.len() < 15 {
        let told = discarded.recv().await.unwrap();
        assert_eq!(told.why, Why::NoRoom);
        dropped.push(told.fix.counter);
    }
    assert_eq!(dropped, (1..=15).collect::<Vec<_>>());
    let stats = tracker.stats();
    assert_eq!((stats.dropped, stats.pending), (15, 10));
}

#[tokio::test(start_paused = true)]
async fn there_is_one_tracker_at_a_time() {
    let test = Test::start(config());
    let tracker = test.client.tracker(from_one()).await.unwrap();
    let second = test.client.tracker(from_one()).await;
    assert!(matches!(second, Err(Error::Config(_))));
    tracker.stop().await;
    assert!(test.client.tracker(from_one()).await.is_ok());
}

/// Threads: what a caller sees when `record` returns must not depend on who runs first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_fix_is_pending_at_once() {
    let test = Test::start(config());
    let tracker = test.client.tracker(from_one()).await.unwrap();
    for n in 1..=2000 {
        tracker.record(sample(n)).await.unwrap();
        let stats = tracker.stats();
        assert_eq!((stats.recorded, stats.pending), (n, n));
    }
}

#[tokio::test(start_paused = true)]
async fn counters_start_at_the_time_of_day() {
    let test = Test::start(config());
    let tracker = test.client.tracker(TrackerConfig::default()).await.unwrap();
    assert_eq!(tracker.record(sample(1)).await, Ok(1_000_000));
}

#[test]
fn the_largest_request_is_small_enough() {
    let fix = Fix {
        counter: MAX_NUMBER,
        time: UnixMs(MAX_NUMBER),
        position: Position::from_e7(-899_999_999, -1_799_999_999).unwrap(),
        motion: Motion::from_raw(Some(65_533), Some(65_533), Some(35_999), Some(100)).unwrap(),
    };
    let fixes = vec![JsonFix::from(fix); fanfare_proto::command::MAX_FIXES];
    let command =
        Command::LocationUpdate(LocationUpdate { fixes: fixes.into_iter().map(Into::into).collect() });
    let json = Request { id: None, command }.to_json().unwrap();
    assert!(json.len() < 128 * 1024, "{}", json.len());
}

#[cfg(feature = "disk")]
mod disk {
    use super::*;

    fn on_disk(dir: &tempfile::TempDir, owner: &str) -> TrackerConfig {
        from_one().disk(dir.path().join("fixes.db"), owner)
    }

    // Real time: a thread that writes is no reason for paused time to stand still.
    #[tokio::test]
    async fn fixes_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let test = Test::start(config());
        let tracker = test.client.tracker(on_disk(&dir, "u")).await.unwrap();
        let mut moving = sample(3);
        moving.motion = Motion::from_raw(Some(1), Some(2), Some(3), Some(4)).unwrap();
        moving.position = Position::from_e7(-5, -6).unwrap();
        for sample in [sample(1), sample(2), moving] {
            tracker.record(sample).await.unwrap();
        }
        tracker.stop().await;
        drop(test);

        let mut test = Test::start(config());
        let tracker = test.client.tracker(on_disk(&dir, "u")).await.unwrap();
        assert_eq!(tracker.record(sample(4)).await, Ok(4));
        let (mut peer, _) = test.greeted().await;
        // The old ones reliably, the fresh one at once.
        let (request, counters) = update(&mut peer).await;
        assert_eq!(counters, [1, 2, 3]);
        let Command::LocationUpdate(update) = &request.command else {
            panic!("{request:?}");
        };
        let fix = Fix::try_from(update.fixes[2]).unwrap();
        assert_eq!((fix.position, fix.motion), (moving.position, moving.motion));
        peer.answer(&request, &stored(&[(1, 3)])).await;
        assert_eq!(packet(&mut peer).await, [4]);
        peer.say(name::LOCATION_STORED, &stored(&[(4, 4)])).await;
        tracker.drained().await;
        tracker.stop().await;

        // Empty, but the counters go on.
        let tracker = test.client.tracker(on_disk(&dir, "u")).await.unwrap();
        assert_eq!(tracker.record(sample(5)).await, Ok(5));
        assert_eq!(tracker.stats().pending, 1);
    }

    #[tokio::test]
    async fn a_file_has_one_user_and_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (Test::start(config()), Test::start(config()));
        let tracker = one.client.tracker(on_disk(&dir, "u")).await.unwrap();
        let second = two.client.tracker(on_disk(&dir, "u")).await;
        assert!(matches!(second, Err(Error::Store(_))), "{second:?}");
        tracker.stop().await;
        let other = two.client.tracker(on_disk(&dir, "v")).await;
        assert!(matches!(other, Err(Error::Store(_))), "{other:?}");
        assert!(two.client.tracker(on_disk(&dir, "u")).await.is_ok());
    }

    #[tokio::test]
    async fn dropped_fixes_leave_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let test = Test::start(config());
        let keep = 5;
        let config = TrackerConfig { keep, ..on_disk(&dir, "u") };
        let tracker = test.client.tracker(config).await.unwrap();
        for n in 1..=20 {
            tracker.record(sample(n)).await.unwrap();
        }
        tracker.stop().await;
        let tracker = test.client.tracker(on_disk(&dir, "u")).await.unwrap();
        assert_eq!(tracker.stats().pending, 5);
    }

    #[tokio::test]
    async fn a_file_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("fixes.db"),
            "no database, but long enough to be looked at".repeat(99),
        )
        .unwrap();
        let test = Test::start(config());
        let tracker = test.client.tracker(on_disk(&dir, "u")).await;
        assert!(matches!(tracker, Err(Error::Store(_))));
        // The place of the tracker is free again.
        assert!(test.client.tracker(from_one()).await.is_ok());
    }
}

/// The server's clock is told with the greeting; that of the device is two minutes fast here.
#[tokio::test(start_paused = true)]
async fn times_of_a_wrong_clock_are_corrected_and_told() {
    for correct_clock in [true, false] {
        let mut config = config();
        config.environment.now = Arc::new(|| UnixMs(1_120_000));
        let mut test = Test::start(config);
        let (mut peer, _) = test.greeted().await;
        let tracker = test.client.tracker(TrackerConfig { correct_clock, ..from_one() }).await.unwrap();
        tracker.record(sample(1_119_000)).await.unwrap();
        let bytes = timeout(Duration::from_secs(1), peer.ends().packets.recv()).await.unwrap().unwrap();
        let fix = tick::unpack_fixes(&bytes).unwrap().remove(0).unwrap();
        let (time, corrected) = if correct_clock { (999_000, 1) } else { (1_119_000, 0) };
        assert_eq!((fix.time, tracker.stats().corrected), (UnixMs(time), corrected));
        // Who asks why nothing arrives is told, until something does.
        assert_eq!(tracker.stats().rejecting, None);
        let rejected = RejectedFix { counter: 1, reason: BadFix::ClockAhead, index: None };
        let word = LocationStored { stored: Vec::new(), rejected: vec![rejected] };
        peer.say(name::LOCATION_STORED, &word).await;
        tracker.drained().await;
        assert_eq!(tracker.stats().rejecting, Some(BadFix::ClockAhead));
        tracker.record(sample(1_119_500)).await.unwrap();
        assert_eq!(packet(&mut peer).await, [2]);
        peer.say(name::LOCATION_STORED, &stored(&[(2, 2)])).await;
        tracker.drained().await;
        assert_eq!(tracker.stats().rejecting, None);
    }
}
