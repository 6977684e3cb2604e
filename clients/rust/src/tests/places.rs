//! The live view: aliases, snapshots, ticks that overtake, reconnects.

use std::time::Duration;

use bytes::Bytes;
use fanfare_proto::{
    Command, Epoch, ErrorCode, JsonFix, Motion, Position, UnixMs,
    command::{Channel, Unsubscribe},
    event::{
        AliasedAgent, LocationAgents, LocationRemoved, LocationSnapshot, Subscribed, Subscription, name,
    },
    tick::{self, Tick},
};

use super::fake::{Peer, Test, config};
use crate::{Change, Event, Positions, link::Incoming};

pub(super) fn agent(alias: u32, id: &str, time: Option<u64>) -> AliasedAgent {
    AliasedAgent {
        alias,
        agent_id: id.parse().unwrap(),
        fix: time.map(|time| JsonFix {
            counter: 1,
            time: UnixMs(time),
            lat: 1.0,
            lon: 2.0,
            accuracy: None,
            speed: None,
            heading: None,
            battery: None,
        }),
    }
}

pub(super) fn snapshot(view: u32, agents: Vec<AliasedAgent>, more: bool) -> LocationSnapshot {
    LocationSnapshot { view, epoch: Epoch(1), agents, more }
}

pub(super) async fn ticks(peer: &mut Peer, view: u32, ticks: &[(u32, u64)]) {
    let ticks: Vec<_> = ticks
        .iter()
        .map(|&(alias, time)| Tick {
            alias,
            time: UnixMs(time),
            position: Position::from_degrees(3.0, 4.0).unwrap(),
            motion: Motion::default(),
        })
        .collect();
    for packet in tick::pack_ticks(&[], view, Epoch(1), UnixMs(0), &ticks) {
        let sent = peer.ends().incoming.send(Incoming::Packet(Bytes::from(packet)));
        sent.await.unwrap();
    }
}

/// Answers the request to follow locations.
pub(super) async fn grant(peer: &mut Peer, view: u32) {
    let request = peer.request().await;
    assert!(matches!(request.command, Command::Subscribe(_)), "{request:?}");
    let subscription = Subscription { channel: Channel::Locations, view, epoch: Epoch(1) };
    let subscriptions = vec![subscription];
    peer.answer(&request, &Subscribed { subscriptions }).await;
}

async fn follow(test: &mut Test) -> (Positions, Peer) {
    let client = test.client.clone();
    let asked = tokio::spawn(async move { client.positions(None).await });
    let (mut peer, _) = test.greeted().await;
    grant(&mut peer, 7).await;
    (asked.await.unwrap().unwrap(), peer)
}

/// Who is where, as (agent, time).
pub(super) async fn settled(positions: &Positions) -> Vec<(String, u64)> {
    super::idle().await;
    let mut all: Vec<_> = positions.all().into_iter().map(|p| (p.agent_id.to_string(), p.time.0)).collect();
    all.sort();
    all
}

pub(super) fn spots(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(id, time)| ((*id).to_owned(), *time)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_each_agent_is_shown() {
    let mut test = Test::start(config());
    let (positions, mut peer) = follow(&mut test).await;
    let part = snapshot(7, vec![agent(1, "a", Some(10)), agent(2, "b", None)], true);
    peer.say(name::LOCATION_SNAPSHOT, &part).await;
    peer.say(name::LOCATION_SNAPSHOT, &snapshot(7, vec![agent(3, "c", Some(10))], false)).await;
    ticks(&mut peer, 7, &[(1, 12), (2, 11), (3, 9)]).await;
    ticks(&mut peer, 7, &[(1, 11)]).await;
    assert_eq!(settled(&positions).await, spots(&[("a", 12), ("b", 11), ("c", 10)]));
    // Another view's ticks are nothing to us.
    ticks(&mut peer, 8, &[(1, 99)]).await;
    let removed = LocationRemoved { view: 7, epoch: Epoch(1), aliases: vec![1, 77] };
    peer.say(name::LOCATION_REMOVED, &removed).await;
    ticks(&mut peer, 7, &[(1, 99)]).await;
    assert_eq!(settled(&positions).await, spots(&[("b", 11), ("c", 10)]));
    let b = positions.get(&"b".parse().unwrap()).unwrap();
    // The server's clock stands at 1,000,000.
    assert_eq!(b.age, Duration::from_millis(1_000_000 - 11));
}

#[tokio::test(start_paused = true)]
async fn a_tick_may_overtake_its_alias() {
    let mut test = Test::start(config());
    let (positions, mut peer) = follow(&mut test).await;
    peer.say(name::LOCATION_SNAPSHOT, &snapshot(7, vec![], false)).await;
    ticks(&mut peer, 7, &[(1, 20), (1, 21), (1, 19), (2, 20)]).await;
    assert_eq!(settled(&positions).await, []);
    let joined = |agents| LocationAgents { view: 7, epoch: Epoch(1), agents };
    peer.say(name::LOCATION_AGENTS, &joined(vec![agent(1, "a", Some(10))])).await;
    assert_eq!(settled(&positions).await, spots(&[("a", 21)]));
    // Only shortly.
    super::pass(Duration::from_secs(3)).await;
    peer.say(name::LOCATION_AGENTS, &joined(vec![agent(2, "b", Some(10))])).await;
    assert_eq!(settled(&positions).await, spots(&[("a", 21), ("b", 10)]));
}

#[tokio::test(start_paused = true)]
async fn held_ticks_are_bounded() {
    let mut test = Test::start(config());
    let (positions, mut peer) = follow(&mut test).await;
    let many: Vec<_> = (0..3000).map(|alias| (alias, 1)).collect();
    for some in many.chunks(500) {
        ticks(&mut peer, 7, some).await;
        super::idle().await;
    }
    assert!(positions.refused() >= 3000 - 1024, "{}", positions.refused());
}

#[tokio::test(start_paused = true)]
async fn follows_again_after_a_reconnect() {
    let mut test = Test::start(config());
    let (positions, mut peer) = follow(&mut test).await;
    let part = snapshot(7, vec![agent(1, "a", Some(10)), agent(2, "b", Some(10))], false);
    peer.say(name::LOCATION_SNAPSHOT, &part).await;
    assert_eq!(settled(&positions).await.len(), 2);
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    assert_eq!(positions.len(), 2, "meanwhile they grow older");
    grant(&mut peer, 9).await;
    // The aliases mean others now; ticks of the old view say nothing.
    ticks(&mut peer, 7, &[(1, 50)]).await;
    ticks(&mut peer, 9, &[(1, 30)]).await;
    peer.say(name::LOCATION_SNAPSHOT, &snapshot(9, vec![agent(1, "b", Some(20))], true)).await;
    peer.say(name::LOCATION_SNAPSHOT, &snapshot(9, vec![agent(2, "c", Some(20))], false)).await;
    assert_eq!(settled(&positions).await, spots(&[("b", 30), ("c", 20)]));
}

#[tokio::test(start_paused = true)]
async fn a_right_that_was_lost_clears_the_table() {
    let mut test = Test::start(config());
    let (positions, mut peer) = follow(&mut test).await;
    peer.say(name::LOCATION_SNAPSHOT, &snapshot(7, vec![agent(1, "a", Some(10))], false)).await;
    assert_eq!(settled(&positions).await.len(), 1);
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    let request = peer.request().await;
    peer.answer_with(name::ERROR, &request, &ErrorCode::Unauthorized.with("no")).await;
    assert_eq!(settled(&positions).await, []);
    let mut errors = 0;
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(1), test.events.next()).await {
        errors += usize::from(matches!(event, Event::Error(_)));
    }
    assert_eq!(errors, 1);
    // It is not asked for again.
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    let asked = tokio::time::timeout(Duration::from_secs(9), peer.request()).await;
    assert!(asked.is_err());
}

#[tokio::test(start_paused = true)]
async fn unsubscribing_survives_a_reconnect() {
    let mut test = Test::start(config());
    let (positions, mut peer) = follow(&mut test).await;
    peer.say(name::LOCATION_SNAPSHOT, &snapshot(7, vec![agent(1, "a", Some(10))], false)).await;
    let client = test.client.clone();
    let channels = vec![Channel::Locations];
    let asked = tokio::spawn(async move { client.unsubscribe(Unsubscribe { channels }).await });
    peer.request().await;
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    let request = peer.request().await;
    assert!(matches!(request.command, Command::Unsubscribe(_)), "{request:?}");
    peer.answer(&request, &serde_json::json!({})).await;
    asked.await.unwrap().unwrap();
    assert!(positions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn updates_hold_the_newest_of_each_agent() {
    let mut test = Test::start(config());
    let (positions, mut peer) = follow(&mut test).await;
    peer.say(
        name::LOCATION_SNAPSHOT,
        &snapshot(7, vec![agent(1, "a", Some(10)), agent(2, "b", Some(10))], false),
    )
    .await;
    settled(&positions).await;
    let mut updates = positions.updates();
    assert_eq!(updates.next().await.unwrap().len(), 2, "who is there");
    for time in 11..200 {
        ticks(&mut peer, 7, &[(1, time)]).await;
        tokio::task::yield_now().await;
    }
    settled(&positions).await;
    let changes = updates.next().await.unwrap();
    assert!(matches!(&changes[..], [Change::Moved(p)] if p.time == UnixMs(199)), "{changes:?}");
    let removed = LocationRemoved { view: 7, epoch: Epoch(1), aliases: vec![2] };
    peer.say(name::LOCATION_REMOVED, &removed).await;
    let changes = updates.next().await.unwrap();
    assert_eq!(changes, [Change::Removed("b".parse().unwrap())]);
    let close = tokio::spawn(async move { test.client.close().await });
    drop(peer);
    assert_eq!(updates.next().await, None);
    close.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_counted() {
    let mut test = Test::start(config());
    let (_positions, mut peer) = follow(&mut test).await;
    let mut bad = agent(1, "a", Some(1));
    bad.fix.as_mut().unwrap().lat = 91.0;
    peer.say(name::LOCATION_SNAPSHOT, &snapshot(7, vec![bad], false)).await;
    peer.say(name::LOCATION_AGENTS, &1).await;
    let packet = Incoming::Packet(Bytes::from_static(&[1, 2, 3]));
    peer.ends().incoming.send(packet).await.unwrap();
    super::idle().await;
    assert_eq!(test.client.stats().unreadable, 3);
    assert!(test.client.state().borrow().is_open());
}
