//! Agents that drive, and those who watch them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use fanfare_client::{
    Change, Client, Sample, TrackerConfig,
    proto::{Fix, Motion, Position, UnixMs, UserId, command::LocationLatest},
};
use tokio::sync::watch;

use crate::{
    positions::live as positions,
    support::until::{pace, until},
};

/// Between two fixes of one agent.
const PACE: Duration = Duration::from_millis(200);

/// What each watcher has seen of each agent.
pub type Seen = Arc<Mutex<BTreeMap<(usize, UserId), Sight>>>;

/// An agent, in a watcher's eyes.
pub struct Sight {
    /// Of the newest fix.
    time: UnixMs,
    since: Instant,
    /// The longest time without a newer one.
    stood: Duration,
}

/// Every fix that an agent recorded. All of them were acknowledged as stored.
pub struct Driven {
    agent: UserId,
    pub fixes: Vec<Fix>,
}

/// Drives until told to stop, and then waits until every fix is acknowledged.
pub async fn drive(client: Client, n: usize, stopped: watch::Receiver<bool>) -> Driven {
    let tracker = client.tracker(TrackerConfig::default()).await.unwrap();
    let (mut pace, mut fixes) = (pace(PACE), Vec::new());
    while !*stopped.borrow() {
        pace.tick().await;
        let step = fixes.len() as i32;
        // Of two of the same moment, either may be the latest.
        let after = fixes.last().map_or(0, |last: &Fix| last.time.0 + 1);
        let sample = Sample {
            time: UnixMs(positions::now().max(after)),
            position: Position::from_e7(525_200_080 + step, 134_049_540 + n as i32).unwrap(),
            motion: Motion::default(),
        };
        let counter = tracker.record(sample).await.unwrap();
        fixes.push(Fix { counter, time: sample.time, position: sample.position, motion: sample.motion });
    }
    tracker.drained().await;
    let told = tracker.stats();
    assert_eq!((told.stored, told.rejected, told.dropped), (fixes.len() as u64, 0, 0), "agent {n}");
    tracker.stop().await;
    Driven { agent: user(n), fixes }
}

/// Watches everyone until the client ends.
pub async fn watch(client: Client, watcher: usize, seen: Seen) {
    let positions = client.positions(None).await.unwrap();
    let mut updates = positions.updates();
    drop((client, positions));
    while let Some(changes) = updates.next().await {
        let (mut seen, now) = (seen.lock().unwrap(), Instant::now());
        for change in changes {
            let Change::Moved(position) = change else { panic!("{watcher} is shown {change:?}") };
            let first = Sight { time: UnixMs(0), since: now, stood: Duration::ZERO };
            let sight = seen.entry((watcher, position.agent_id)).or_insert(first);
            assert!(position.time >= sight.time, "{watcher} sees somebody go back");
            if position.time > sight.time {
                sight.stood = sight.stood.max(now - sight.since);
                (sight.time, sight.since) = (position.time, now);
            }
        }
    }
}

/// Waits until each of `count` watchers has seen each of as many agents where it was after `time`.
pub async fn all_move(seen: &Seen, count: usize, time: u64) {
    let moving = || seen.lock().unwrap().values().filter(|sight| sight.time.0 > time).count();
    until("all are seen moving", async || moving() == count * count).await;
}

pub fn longest_stand(seen: &Seen) -> Duration {
    seen.lock().unwrap().values().map(|sight| sight.stood).max().unwrap()
}

/// Each agent's track is what it drove, each fix once, and the end of it is its latest position.
pub async fn all_stored(chief: &Client, driven: &[Driven]) {
    let latest =
        chief.latest(LocationLatest { limit: Some(100), ..LocationLatest::default() }).await.unwrap().agents;
    assert_eq!(latest.len(), driven.len());
    for Driven { agent, fixes } in driven {
        let (first, last) = (fixes[0], fixes[fixes.len() - 1]);
        let track = chief.track(agent.clone(), first.time, last.time).await.unwrap();
        let stored: Vec<Fix> = track.into_iter().map(|fix| fix.try_into().unwrap()).collect();
        assert_eq!(&stored, fixes, "{agent}: what was acknowledged, once, in order");
        let latest = latest.iter().find(|latest| latest.agent_id == *agent).unwrap();
        assert_eq!(Fix::try_from(latest.fix.unwrap()).unwrap(), last, "{agent}");
    }
}

fn user(n: usize) -> UserId {
    format!("u{n}").parse().unwrap()
}
