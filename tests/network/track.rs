//! A device's track where packets get lost, with a minute in which nothing gets through.

use std::time::{Duration, Instant};

use fanfare_client::{Sample, TrackerConfig, Transport};
use fanfare_proto::{Fix, Motion, Position, UnixMs, UserId};
use tokio::time::{interval, sleep, timeout};

use crate::{
    wire::Wire,
    world::{BOTH, World, name},
};

const FIXES: u64 = 1000;
const EVERY: Duration = Duration::from_millis(100);
const BEFORE: Duration = Duration::from_secs(20);
const OUTAGE: Duration = Duration::from_secs(60);
/// To come back after the outage and send what is missing: the longest back-off is 30 s, and so is QUIC's idle time.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs namespaces: tests/network/run.sh"]
async fn the_track_is_complete_after_a_minute_of_nothing() {
    let world = World::start(&[]).await;
    Wire::Loses(10).set();
    let weather = async {
        sleep(BEFORE).await;
        Wire::Cut.set();
        sleep(OUTAGE).await;
        Wire::Loses(10).set();
        Instant::now()
    };
    let (again, web_transport, web_socket) =
        tokio::join!(weather, drive(&world, BOTH[0]), drive(&world, BOTH[1]));

    for (transport, driven) in BOTH.into_iter().zip([web_transport, web_socket]) {
        let whole = driven.drained.saturating_duration_since(again);
        println!("figure: {transport:?}: {}; everything stored {whole:.1?} after the outage", driven.summary);
        let (chief, _) = world.client(&name("chief", transport), "supervisor", transport);
        let (first, last) = (driven.fixes[0].time, driven.fixes[driven.fixes.len() - 1].time);
        let track = chief.track(UserId::new(&name("agent", transport)).unwrap(), first, last).await.unwrap();
        let stored: Vec<Fix> = track.into_iter().map(|fix| fix.try_into().unwrap()).collect();
        let differ = driven.fixes.iter().zip(&stored).find(|(recorded, stored)| recorded != stored);
        assert!(differ.is_none(), "{transport:?}: recorded and stored: {differ:?}");
        assert_eq!(stored.len(), driven.fixes.len(), "{transport:?}");
        println!("{transport:?}: location:history tells the same {} fixes", stored.len());
        chief.close().await;
    }
}

struct Driven {
    fixes: Vec<Fix>,
    summary: String,
    drained: Instant,
}

/// An agent that records a fix every 100 ms, kept on disk, and waits until all are stored.
async fn drive(world: &World, transport: Transport) -> Driven {
    let user = name("agent", transport);
    let (client, mut events) = world.client(&user, "agent", transport);
    // Somebody must take them, or the client closes its connection.
    tokio::spawn(async move { while events.next().await.is_some() {} });
    let config = TrackerConfig::default().disk(world.file(&user), user.clone());
    let tracker = client.tracker(config).await.unwrap();
    let mut tick = interval(EVERY);
    let mut fixes = Vec::new();
    for i in 0..FIXES {
        tick.tick().await;
        let Sample { time, position, motion } = sample(i);
        let counter = tracker.record(Sample { time, position, motion }).await.unwrap();
        fixes.push(Fix { counter, time, position, motion });
    }
    let drained = timeout(PATIENCE, tracker.drained()).await;
    let (told, of) = (tracker.stats(), client.stats());
    let summary = format!(
        "{} recorded, {} stored, {} sent as packets, {} sent again or later by request; sessions {}",
        told.recorded, told.stored, told.sent_fast, told.sent_reliably, of.sessions
    );
    assert!(
        drained.is_ok(),
        "{transport:?}: not all stored after {PATIENCE:?}: {summary}, {} pending",
        told.pending
    );
    assert_eq!((told.stored, told.rejected, told.dropped), (FIXES, 0, 0), "{transport:?}: {summary}");
    let driven = Driven { fixes, summary, drained: Instant::now() };
    tracker.stop().await;
    client.close().await;
    driven
}

/// No two are the same, and some know less than others.
fn sample(i: u64) -> Sample {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let step = i as i32;
    let motion = Motion::from_raw(
        Some(48),
        (i % 2 == 0).then_some(i as u16),
        (i % 3 == 0).then_some(i as u16 * 7),
        (i % 5 == 0).then_some((i % 100) as u8),
    );
    Sample {
        time: UnixMs(now),
        position: Position::from_e7(525_200_080 + step, 134_049_540 - step).unwrap(),
        motion: motion.unwrap(),
    }
}
