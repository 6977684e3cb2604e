//! Events: once, in order, without a gap or with a word about it; the queue to the application.

use std::time::Duration;

use fanfare_proto::{
    CloseCode, Cursor, Epoch, Seq, UnixMs,
    event::{self, LogEntry, MessageNew, ServerPing, TopicState, Topics, name},
};

use super::fake::{Peer, Test, config};
use crate::{Cursors, Event, Gap, Loss, Preference, State, Transport};

fn cursor(topic: &str, epoch: u32, seq: u64) -> Cursor {
    Cursor { topic: topic.parse().unwrap(), epoch: Epoch(epoch), seq: Seq(seq) }
}

fn message(topic: &str, epoch: u32, seq: u64) -> String {
    let entry = LogEntry {
        topic: topic.parse().unwrap(),
        epoch: Epoch(epoch),
        seq: Seq(seq),
        at: UnixMs(1),
        by: "v".parse().unwrap(),
        client_id: "x".parse().unwrap(),
    };
    let data = MessageNew { conversation_id: "c".parse().unwrap(), text: seq.to_string() };
    event::write_log(name::MESSAGE_NEW, &entry, &serde_json::to_string(&data).unwrap())
}

fn state(topic: &str, epoch: u32, seq: u64, head: u64, recovered: Option<bool>) -> TopicState {
    TopicState {
        topic: topic.parse().unwrap(),
        epoch: Epoch(epoch),
        seq: Seq(seq),
        head: Seq(head),
        unread: 0,
        recovered,
    }
}

async fn topics(peer: &mut Peer, topics: Vec<TopicState>) {
    peer.say(name::TOPICS, &Topics { topics, more: false }).await;
}

/// What came, in short.
async fn next(test: &mut Test) -> String {
    match test.events.next().await.expect("an event") {
        Event::Open(_) => "open".into(),
        Event::Topics(topics) => format!("topics {}", topics.len()),
        Event::Gap(Gap { had, epoch, from, head, .. }) => {
            let had = had.map(|(e, s)| format!("{}/{s}", e.0));
            format!("gap {had:?} {}/{from} {head}", epoch.0)
        }
        Event::Message { entry, .. } => format!("{}/{}", entry.epoch.0, entry.seq),
        Event::Other(event) => event.event,
        other => panic!("{other:?}"),
    }
}

async fn expect(test: &mut Test, all: &[&str]) {
    for expected in all {
        assert_eq!(next(test).await, *expected);
    }
}

const T: &str = "conversation:c";

#[tokio::test(start_paused = true)]
async fn resumes_after_what_the_application_has() {
    let mut test = Test::start(config());
    let (mut peer, greeting) = test.greeted().await;
    assert_eq!(greeting.cursors, []);
    topics(&mut peer, vec![state(T, 1, 2, 2, None)]).await;
    peer.text(message(T, 1, 3)).await;
    peer.text(message(T, 1, 4)).await;
    expect(&mut test, &["open", "topics 1", "1/3", "1/4"]).await;
    peer.end(None).await;
    let (mut peer, greeting) = test.greeted().await;
    assert_eq!(greeting.cursors, [cursor(T, 1, 4)]);
    topics(&mut peer, vec![state(T, 1, 4, 6, Some(true))]).await;
    // Catching up and live may overlap.
    for seq in [5, 6, 6, 5, 7] {
        peer.text(message(T, 1, seq)).await;
    }
    expect(&mut test, &["open", "topics 1", "1/5", "1/6", "1/7"]).await;
    let stats = test.client.stats();
    assert_eq!((stats.duplicates, stats.recovered, stats.gaps), (2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_told_before_what_follows() {
    let mut test = Test::start(config().cursors(vec![cursor(T, 1, 4)].into()));
    let (mut peer, greeting) = test.greeted().await;
    assert_eq!(greeting.cursors, [cursor(T, 1, 4)]);
    topics(&mut peer, vec![state(T, 1, 90, 92, Some(false))]).await;
    peer.text(message(T, 1, 91)).await;
    expect(&mut test, &["open", "gap Some(\"1/4\") 1/90 92", "topics 1", "1/91"]).await;
    peer.end(None).await;
    // The log begins anew: positions of the old epoch say nothing about it.
    let (mut peer, greeting) = test.greeted().await;
    assert_eq!(greeting.cursors, [cursor(T, 1, 91)]);
    topics(&mut peer, vec![state(T, 2, 0, 1, Some(false))]).await;
    peer.text(message(T, 2, 1)).await;
    expect(&mut test, &["open", "gap Some(\"1/91\") 2/0 1", "topics 1", "2/1"]).await;
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_cursors_are_sent_and_the_others_show_their_gaps() {
    let cursors: Cursors =
        (0..150).map(|n| cursor(&format!("conversation:{n}"), 1, 10)).collect::<Vec<_>>().into();
    let mut test = Test::start(config().cursors(cursors));
    let (mut peer, greeting) = test.greeted().await;
    assert_eq!(greeting.cursors.len(), 100);
    assert_eq!(greeting.cursors[0], cursor("conversation:0", 1, 10));
    let states = vec![state("conversation:120", 1, 10, 10, None), state("conversation:121", 1, 15, 15, None)];
    topics(&mut peer, states).await;
    expect(&mut test, &["open", "gap Some(\"1/10\") 1/15 15", "topics 2"]).await;
}

#[tokio::test(start_paused = true)]
async fn urgent_events_before_the_greeting_come_once_and_after_it() {
    const URGENT: &str = "urgent_notice:all";
    let mut test = Test::start(config().cursors(vec![cursor(URGENT, 1, 4)].into()));
    let mut peer = test.peer().await;
    peer.text(message(URGENT, 1, 5)).await;
    // Of a kind of topic that came later.
    peer.text(message(T, 1, 1).replace(T, "later:c")).await;
    peer.greet().await;
    topics(&mut peer, vec![state(URGENT, 1, 4, 6, Some(true))]).await;
    peer.text(message(URGENT, 1, 5)).await;
    peer.text(message(URGENT, 1, 6)).await;
    expect(&mut test, &["open", "1/5", "topics 1", "1/6"]).await;
    let stats = test.client.stats();
    assert_eq!((stats.duplicates, stats.recovered, stats.gaps, stats.unreadable), (1, 1, 0, 1));
    // The connection ends as any other.
    peer.end(None).await;
    let (peer, greeting) = test.greeted().await;
    assert_eq!(greeting.cursors, [cursor(URGENT, 1, 6)]);
    // As many as one resume brings, more than the queue of a connection holds.
    peer.end(None).await;
    let mut peer = test.peer().await;
    for seq in 7..=506 {
        peer.text(message(URGENT, 1, seq)).await;
    }
    peer.greet().await;
    expect(&mut test, &["open", "open"]).await;
    for seq in 7..=506 {
        assert_eq!(next(&mut test).await, format!("1/{seq}"));
    }
    test.client.close().await;
    assert_eq!(peer.goodbye().await.code, 1000);
}

/// A topic that is taken up anew, of which an urgent event came while that was looked up.
#[tokio::test(start_paused = true)]
async fn a_gap_does_not_undo_an_urgent_event_that_overtook_it() {
    const URGENT: &str = "urgent_notice:all";
    let mut test = Test::start(config().cursors(vec![cursor(URGENT, 1, 2)].into()));
    let (mut peer, _) = test.greeted().await;
    peer.text(message(URGENT, 1, 6)).await;
    topics(&mut peer, vec![state(URGENT, 1, 4, 5, Some(false))]).await;
    peer.text(message(URGENT, 1, 6)).await;
    peer.text(message(URGENT, 1, 7)).await;
    expect(&mut test, &["open", "1/6", "gap Some(\"1/6\") 1/4 5", "topics 1", "1/7"]).await;
    // On the next connection nothing has come yet: a log that is shorter now is believed.
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    topics(&mut peer, vec![state(URGENT, 1, 2, 2, Some(false))]).await;
    peer.text(message(URGENT, 1, 3)).await;
    expect(&mut test, &["open", "gap Some(\"1/7\") 1/2 2", "topics 1", "1/3"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_greeting_is_bounded() {
    let mut test = Test::start(config().transport(Preference::Only(Transport::WebTransport)));
    let mut peer = test.peer().await;
    let long = message(T, 1, 1).replace("\"text\":\"1\"", &format!("\"text\":\"{}\"", "x".repeat(1_000_000)));
    for _ in 0..5 {
        peer.text(long.clone()).await;
    }
    let mut state = test.client.state();
    let given_up = |s: &State| match s {
        State::Backoff { cause: Loss::Unreachable(why), .. } => why.contains("too much"),
        _ => false,
    };
    state.wait_for(given_up).await.unwrap();
    drop(peer);
    let (mut peer, _) = test.greeted().await;
    peer.text(message(T, 1, 1)).await;
    expect(&mut test, &["open", "1/1"]).await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_move_cursors() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    topics(&mut peer, vec![state(T, 1, 2, 2, None)]).await;
    let ping = ServerPing { time: UnixMs(5), pos: vec![cursor(T, 1, 9)] };
    peer.say(name::SERVER_PING, &ping).await;
    // Not backwards.
    let ping = ServerPing { time: UnixMs(5), pos: vec![cursor(T, 1, 8)] };
    peer.say(name::SERVER_PING, &ping).await;
    peer.text(message(T, 1, 10)).await;
    expect(&mut test, &["open", "topics 1"]).await;
    assert_eq!(test.events.cursors().newest(9), [cursor(T, 1, 2)], "only what was taken");
    expect(&mut test, &["1/10"]).await;
    assert_eq!(test.events.cursors().newest(9), [cursor(T, 1, 10)]);
    peer.end(None).await;
    let (_peer, greeting) = test.greeted().await;
    assert_eq!(greeting.cursors, [cursor(T, 1, 10)]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_loses_nothing() {
    let mut config = config();
    config.limits.events = 8;
    let mut test = Test::start(config);
    let (mut peer, _) = test.greeted().await;
    // With the opening seven find room; transient events do not close the connection.
    for seq in 1..=7 {
        peer.text(message(T, 1, seq)).await;
    }
    peer.say("something:new", &1).await;
    super::idle().await;
    assert_eq!(test.client.stats().dropped, 1);
    peer.text(message(T, 1, 8)).await;
    assert_eq!(peer.goodbye().await.code, CloseCode::Slow.number());
    let mut waiting = test.client.state();
    let slow = |s: &State| matches!(s, State::Backoff { cause: Loss::SlowConsumer, wait: None });
    waiting.wait_for(slow).await.unwrap();
    // However long it takes.
    super::pass(Duration::from_mins(10)).await;
    assert!(slow(&test.client.state().borrow()));
    expect(&mut test, &["open", "1/1", "1/2", "1/3"]).await;
    let (mut peer, greeting) = test.greeted().await;
    assert_eq!(greeting.cursors, [cursor(T, 1, 7)]);
    peer.text(message(T, 1, 8)).await;
    expect(&mut test, &["1/4", "1/5", "1/6", "1/7", "open", "1/8"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_events_needs_none() {
    let mut config = config();
    config.limits.events = 2;
    let mut test = Test::start(config);
    let (mut peer, _) = test.greeted().await;
    test.events = crate::Events::new(tokio::sync::mpsc::channel(1).1, Cursors::default());
    for seq in 1..=100 {
        peer.text(message(T, 1, seq)).await;
    }
    super::idle().await;
    assert!(test.client.state().borrow().is_open());
    assert_eq!(test.client.stats().losses, 0);
}

#[tokio::test(start_paused = true)]
async fn unknown_and_odd_events_are_passed_on() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    peer.say("something:new", &1).await;
    // A known name with another content, in a log: the application gets it, and the cursor moves.
    let odd = message(T, 1, 1).replace("\"text\"", "\"txet\"");
    peer.text(odd).await;
    expect(&mut test, &["open", "something:new", name::MESSAGE_NEW]).await;
    assert_eq!(test.events.cursors().newest(9), [cursor(T, 1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn kinds_of_topics_that_came_later_are_passed_over() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let later = |text: String| text.replace(T, "later:c");
    let told =
        Topics { topics: vec![state(T, 1, 2, 2, None), state("notice:c", 1, 2, 2, None)], more: false };
    peer.text(later(event::write(name::TOPICS, None, &told))).await;
    peer.text(later(message(T, 1, 3))).await;
    let ping = ServerPing { time: UnixMs(5), pos: vec![cursor(T, 1, 9), cursor("notice:c", 1, 7)] };
    peer.text(later(event::write(name::SERVER_PING, None, &ping))).await;
    peer.text(message("notice:c", 1, 8)).await;
    expect(&mut test, &["open", "topics 1", "1/8"]).await;
    assert_eq!(test.events.cursors().newest(9), [cursor("notice:c", 1, 8)]);
    assert_eq!(test.client.stats().unreadable, 3);
}

#[test]
fn cursors_survive_as_json() {
    let cursors: Cursors = vec![cursor("notice:b", 1, 2), cursor(T, 1, 3)].into();
    let json = serde_json::to_string(&cursors).unwrap();
    let read: Cursors = serde_json::from_str(&json).unwrap();
    assert_eq!(read.newest(9), [cursor("notice:b", 1, 2), cursor(T, 1, 3)]);
}

#[test]
fn cursors_are_bounded() {
    let mut cursors = Cursors::default();
    for n in 0..10_005 {
        let to = cursor(&format!("conversation:{n}"), 1, 1);
        cursors.apply(crate::cursors::Move::Forward(to));
    }
    assert_eq!(cursors.newest(usize::MAX).len(), 10_000);
    assert!(cursors.get(&"conversation:0".parse().unwrap()).is_none());
    assert!(cursors.get(&"conversation:10004".parse().unwrap()).is_some());
}
