//! Whatever is lost on the way: every fix is stored as it was or told to be discarded, every message is there once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fanfare_proto::{Fix, Motion, Position, UnixMs};
use proptest::prelude::*;
use tokio::time::{Instant, timeout};

use super::{
    fake::{Test, config},
    server::{Chaos, Server, impossible, time_since},
};
use crate::{Event, Sample, TrackerConfig, Why};

/// A sample that no other equals.
fn sample(n: u64, bad: bool) -> Sample {
    Sample {
        time: UnixMs(1_000_000 + n * 1000),
        position: Position::from_degrees(n as f64 / 1000.0, 77.123_456_7).unwrap(),
        motion: Motion::from_raw(Some(n as u16), Some(7), None, Some(if bad { 13 } else { 50 })).unwrap(),
    }
}

fn fix(counter: u64, sample: Sample) -> Fix {
    Fix { counter, time: sample.time, position: sample.position, motion: sample.motion }
}

/// The lives of connections, in order; then they live.
fn chaos() -> impl Strategy<Value = (u64, u64, Vec<(u64, u64)>)> {
    (0..60_u64, 0..40_u64, prop::collection::vec((100..20_000_u64, 0..90_000_u64), 0..5))
}

/// Runs a server that goes wrong for a while.
async fn run_server(
    mut peers: tokio::sync::mpsc::UnboundedReceiver<super::fake::Peer>,
    mut server: Server,
    loss: u64,
    reorder: u64,
    lives: Vec<(u64, u64)>,
) {
    let mut lives = lives.into_iter();
    while let Some(peer) = peers.recv().await {
        let life = lives.next();
        let chaos = Chaos { loss, reorder, lives: life.map(|(lives, _)| Duration::from_millis(lives)) };
        server.serve(peer, &chaos).await;
        if let Some((_, outage)) = life {
            // Unreachable: whoever connects meanwhile is not answered.
            let dead = async { while peers.recv().await.is_some() {} };
            let _ = timeout(Duration::from_millis(outage), dead).await;
        }
    }
}

async fn track(seed: u64, loss: u64, reorder: u64, lives: Vec<(u64, u64)>, fixes: Vec<(u64, bool)>) {
    let server = Server::new(seed);
    let model = server.model.clone();
    let mut config = config();
    // A clock that is right: nothing is corrected, whatever is lost.
    let begun = Instant::now();
    config.environment.now = Arc::new(move || time_since(begun));
    let Test { client, events, fake: _fake, peers } = Test::start(config);
    drop(events);
    let server = tokio::spawn(run_server(peers, server, loss, reorder, lives));
    let tracker = client.tracker(TrackerConfig::default()).await.unwrap();
    let mut discarded = tracker.discarded();
    let mut recorded = BTreeMap::new();
    for (n, (pause, bad)) in fixes.into_iter().enumerate() {
        let sample = sample(n as u64, bad);
        let counter = tracker.record(sample).await.unwrap();
        assert!(recorded.insert(counter, fix(counter, sample)).is_none());
        super::pass(Duration::from_millis(pause)).await;
    }
    timeout(Duration::from_hours(1), tracker.drained()).await.expect("drains");
    let mut told = BTreeMap::new();
    while let Ok(discarded) = discarded.try_recv() {
        assert!(matches!(discarded.why, Why::Rejected(_)));
        told.insert(discarded.fix.counter, discarded.fix);
    }
    let model = model.lock().unwrap();
    let (bad, good): (BTreeMap<_, _>, BTreeMap<_, _>) =
        recorded.into_iter().partition(|(_, fix)| impossible(fix));
    assert_eq!(model.stored, good);
    assert_eq!(told, bad);
    let stats = tracker.stats();
    assert_eq!(stats.recorded, stats.stored + stats.rejected);
    server.abort();
}

async fn chat(seed: u64, lives: Vec<(u64, u64)>, messages: Vec<u64>) {
    let server = Server::new(seed);
    let model = server.model.clone();
    let mut config = config();
    // Some runs meet a full queue too.
    config.limits.events = 4 + (seed % 8) as usize;
    config.limits.request = Duration::from_hours(1);
    let Test { client, mut events, fake: _fake, peers } = Test::start(config);
    let server = tokio::spawn(run_server(peers, server, 0, 0, lives));
    let count = messages.len();
    let reader = tokio::spawn(async move {
        let mut texts = Vec::new();
        while texts.len() < count {
            match events.next().await.expect("open") {
                Event::Message { entry, message } => {
                    assert_eq!(entry.seq.0, texts.len() as u64 + 1, "in order, without gap");
                    texts.push(message.text);
                    super::pass(Duration::from_millis(seed % 50)).await;
                }
                Event::Gap(gap) => panic!("{gap:?}"),
                _ => {}
            }
        }
        texts
    });
    let mut sent = Vec::new();
    for (n, pause) in messages.iter().enumerate() {
        let client = client.clone();
        sent.push(tokio::spawn(
            async move { client.send_message("c".parse().unwrap(), n.to_string()).await },
        ));
        super::pass(Duration::from_millis(*pause)).await;
    }
    for sent in sent {
        sent.await.unwrap().expect("stored");
    }
    let mut texts = timeout(Duration::from_hours(1), reader).await.expect("all come").unwrap();
    let stored: Vec<_> = model.lock().unwrap().messages.iter().map(|m| m.text.clone()).collect();
    assert_eq!(texts, stored, "what is stored comes");
    texts.sort();
    let mut expected: Vec<_> = (0..count).map(|n| n.to_string()).collect();
    expected.sort();
    assert_eq!(texts, expected, "each once");
    server.abort();
}

fn paused(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_fix_is_stored_or_discarded(
        seed in any::<u64>(),
        (loss, reorder, lives) in chaos(),
        fixes in prop::collection::vec((0..3000_u64, prop::bool::weighted(0.05)), 1..120),
    ) {
        paused(track(seed, loss, reorder, lives, fixes));
    }

    #[test]
    fn every_message_comes_once(
        seed in any::<u64>(),
        (_, _, lives) in chaos(),
        messages in prop::collection::vec(0..2000_u64, 1..60),
    ) {
        paused(chat(seed, lives, messages));
    }
}

/// The figures of the requirement: 10 % loss, 1 Hz, an outage of 60 s.
#[test]
fn a_minute_without_network_leaves_no_hole() {
    let fixes = vec![(1000, false); 300];
    paused(track(1, 10, 5, vec![(100_000, 60_000)], fixes));
}
