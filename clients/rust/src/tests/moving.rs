//! A server that goes away: the client moves beside, or comes back soon.

use std::time::Duration;

use fanfare_proto::{
    Command,
    command::Priority,
    event::{GoingAway, name},
};
use tokio::time::Instant;

use super::fake::{Plan, Test, config};
use crate::{Preference, State, Transport, link::Goodbye};

const GOING: GoingAway = GoingAway { within_ms: 1_000 };

#[tokio::test(start_paused = true)]
async fn the_next_connection_is_opened_beside_the_one_that_there_is() {
    let mut test = Test::start(config().transport(Preference::Only(Transport::WebSocket)));
    let (mut old, _) = test.greeted().await;
    // A request whose answer the old connection does not bring any more.
    let client = test.client.clone();
    let asked = tokio::spawn(async move { client.broadcast("leave", Priority::Urgent).await });
    let first = old.request().await;
    let start = Instant::now();
    old.say(name::SERVER_GOING_AWAY, &GOING).await;
    let mut new = test.peer().await;
    assert_eq!(start.elapsed(), Duration::from_millis(250), "a random moment of the first half");
    assert!(test.client.state().borrow().is_open(), "the old one is still there");
    new.greet().await;
    let again = new.request().await;
    assert_eq!(again.command, first.command, "with the same client id");
    assert!(matches!(again.command, Command::SystemBroadcast(_)));
    assert_eq!(old.goodbye().await, Goodbye::DONE);
    drop(new);
    drop(asked);
    let history = test.client.shared().history.lock().unwrap().clone();
    assert!(
        history[2..4].iter().all(|state| *state == State::Open(Transport::WebSocket)),
        "never without a connection: {history:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn with_nowhere_to_move_to_it_stays_and_then_comes_back_soon() {
    let mut test = Test::start(config().transport(Preference::Only(Transport::WebSocket)));
    let (mut old, _) = test.greeted().await;
    for _ in 0..8 {
        test.fake.plan(Transport::WebSocket, Plan::Fail);
    }
    old.say(name::SERVER_GOING_AWAY, &GOING).await;
    super::pass(Duration::from_millis(999)).await;
    assert!(test.client.state().borrow().is_open());
    let start = Instant::now();
    old.end(Some(4000)).await;
    test.greeted().await;
    // One attempt beside, seven that fail, one that does not: half a window each, and half a second where it is late.
    let ms = [250, 1500, 1500, 1500, 1500, 1500, 1500, 1500].iter().sum::<u64>() + 7 * 500;
    assert_eq!(start.elapsed(), Duration::from_millis(ms), "the waits do not grow beyond 3 s");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_only_ever_goes_away_is_backed_off_from() {
    let mut test = Test::start(config().transport(Preference::Only(Transport::WebSocket)));
    let (mut peer, _) = test.greeted().await;
    let mut waits = Vec::new();
    for _ in 0..40 {
        let end = Instant::now();
        peer.end(Some(4000)).await;
        (peer, _) = test.greeted().await;
        waits.push(end.elapsed().as_millis());
    }
    assert_eq!(waits.iter().max(), Some(&15_000), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn where_it_was_is_forgotten_when_it_says_so_and_doubted_when_it_is_gone() {
    let mut test = Test::start(config().transport(Preference::Only(Transport::WebSocket)));
    let (mut old, _) = test.greeted().await;
    let unsure = |test: &Test| std::mem::take(&mut *test.fake.unsure.lock().unwrap());
    assert_eq!(unsure(&test), [""; 0]);
    old.say(name::SERVER_GOING_AWAY, &GOING).await;
    let (new, _) = test.greeted().await;
    assert_eq!(unsure(&test), ["forgotten"]);
    new.end(None).await;
    test.fake.plan(Transport::WebSocket, Plan::Fail);
    let (again, _) = test.greeted().await;
    assert_eq!(unsure(&test), ["doubted", "doubted"], "the connection broke, and then there was no way");
    again.end(Some(4002)).await;
    test.greeted().await;
    assert_eq!(unsure(&test), [""; 0], "whoever closes is there");
}
