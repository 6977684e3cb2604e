//! A conversation where packets get lost.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use fanfare_client::{Client, Event, Events, Transport};
use fanfare_proto::{ConversationId, Seq, UserId, command::ConversationKind};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    wire::Wire,
    world::{BOTH, World, name, spread},
};

const MESSAGES: usize = 500;
/// Below the server's limit of 100 a second.
const EVERY: Duration = Duration::from_millis(12);
/// Requests under way, as many as the server works on at a time.
const UNDER_WAY: usize = 32;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs namespaces: tests/network/run.sh"]
async fn every_message_comes_once_and_in_order_where_10_percent_is_lost() {
    let world = World::start(&[]).await;
    Wire::Loses(10).set();
    let both = BOTH.map(|transport| timeout(PATIENCE, talk(&world, transport)));
    for (transport, outcome) in BOTH.into_iter().zip(futures::future::join_all(both).await) {
        outcome.unwrap_or_else(|_| panic!("{transport:?}: not done after {PATIENCE:?}"));
    }
    assert!(Wire::dropped() > 0, "nothing was lost");
}

async fn talk(world: &World, transport: Transport) {
    let start = Instant::now();
    let (ann, _) = world.client(&name("ann", transport), "member", transport);
    let (bob, heard) = world.client(&name("bob", transport), "member", transport);
    bob.opened().await.unwrap();
    let members = vec![UserId::new(&name("bob", transport)).unwrap()];
    let room = ann.create_conversation(ConversationKind::Private, None, members).await.unwrap();
    let room = room.conversation_id.unwrap();

    let ((), (came, wrong)) = tokio::join!(say_all(&ann, &room), hear_all(heard));
    let summary = format!(
        "{transport:?}: {} messages at 10 % loss each way in {:.1?}: {}; duplicates {}, connections lost {}",
        came.len(),
        start.elapsed(),
        spread(came),
        bob.stats().duplicates,
        ann.stats().losses + bob.stats().losses,
    );
    println!("{summary}");
    assert_eq!(wrong, 0, "{summary}");
    ann.close().await;
    bob.close().await;
}

/// Says the time, so that the other end knows how long it took; numbered, without waiting for each answer.
async fn say_all(ann: &Client, room: &ConversationId) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = VecDeque::new();
    for i in 0..=MESSAGES {
        tick.tick().await;
        let mut request = Box::pin(ann.send_message(room.clone(), format!("{i} {}", now_us())));
        // Polled, it is in the client's queue, in this order.
        assert!(futures::poll!(&mut request).is_pending());
        under_way.push_back(request);
        if under_way.len() == UNDER_WAY || i == MESSAGES {
            let oldest = if i == MESSAGES { under_way.len() } else { 1 };
            for request in under_way.drain(..oldest) {
                request.await.unwrap();
            }
        }
    }
}

/// Hears all but the last, which shows that nothing comes after them; how long each took, and how many came wrongly.
async fn hear_all(mut events: Events) -> (Vec<Duration>, usize) {
    let mut took = Vec::new();
    let mut wrong = 0;
    let mut last = Seq(0);
    loop {
        let Some(Event::Message { entry, message }) = events.next().await else { continue };
        let (number, sent) = message.text.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        if number != took.len() || entry.seq <= last {
            println!("number {number} at {:?}, after {} others up to {last:?}", entry.seq, took.len());
            wrong += 1;
        }
        last = entry.seq;
        if number == MESSAGES {
            return (took, wrong);
        }
        took.push(Duration::from_micros(now_us().saturating_sub(sent.parse().unwrap())));
    }
}

fn now_us() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64
}
