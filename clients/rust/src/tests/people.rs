//! Who is there: what is told, and what is followed again.

use std::time::Duration;

use fanfare_proto::{
    Command, Epoch, ErrorCode, Request, TopicKind, UserId,
    command::{Channel, Subscribe, Unsubscribe},
    event::{LocationSnapshot, Subscribed, Subscription, SubscriptionEnded, TopicsEnded, name},
    presence::{
        Availability, Presence, PresenceChanged, PresenceGet, PresencePage, PresenceSnapshot, Status,
    },
};

use super::{
    fake::{Peer, Test, config},
    idle, pass,
};
use crate::{Client, Error, Event, Loss, State};

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn person(id: &str, status: Status, version: u64) -> Presence {
    Presence { user_id: user(id), status, text: String::new(), last_seen: None, version }
}

/// The next request, which follows a channel.
async fn wish(peer: &mut Peer) -> (Request, Subscribe) {
    let request = tokio::time::timeout(Duration::from_mins(1), peer.request()).await.expect("asks");
    match &request.command {
        Command::Subscribe(wish) => (request.clone(), wish.clone()),
        other => panic!("{other:?}"),
    }
}

/// Grants the next request to follow a channel, and answers what was asked.
async fn grant(peer: &mut Peer, view: u32) -> Subscribe {
    let (request, wish) = wish(peer).await;
    let epoch = Epoch(1);
    let subscriptions = wish.channels.iter().map(|&channel| Subscription { channel, view, epoch }).collect();
    peer.answer(&request, &Subscribed { subscriptions }).await;
    wish
}

fn only(channel: Channel, users: Option<Vec<UserId>>) -> Subscribe {
    Subscribe { channels: vec![channel], department_id: None, users }
}

async fn watch(client: &Client, peer: &mut Peer, view: u32, users: Option<Vec<UserId>>) {
    let (asking, wanted) = (client.clone(), users.clone());
    let asked = tokio::spawn(async move { asking.watch_presence(wanted).await });
    assert_eq!(grant(peer, view).await, only(Channel::Presence, users));
    asked.await.unwrap().unwrap();
}

async fn snapshot(peer: &mut Peer, view: u32, users: Vec<Presence>, more: bool) {
    peer.say(name::PRESENCE_SNAPSHOT, &PresenceSnapshot { view, users, more }).await;
}

async fn changed(peer: &mut Peer, view: u32, users: Vec<Presence>) {
    peer.say(name::PRESENCE_CHANGED, &PresenceChanged { view, users }).await;
}

/// What the application is told next, in short: `anew` or `part` or `changed`, and who is what.
async fn told(test: &mut Test) -> Option<String> {
    let show = |users: &[Presence]| -> String {
        users.iter().fold(String::new(), |all, p| format!("{all} {}:{:?}:{}", p.user_id, p.status, p.version))
    };
    loop {
        let next = tokio::time::timeout(Duration::from_millis(100), test.events.next()).await;
        return Some(match next.ok()?? {
            Event::PresenceSnapshot { anew: true, part } => format!("anew{}", show(&part.users)),
            Event::PresenceSnapshot { anew: false, part } => format!("part{}", show(&part.users)),
            Event::PresenceChanged(changed) => format!("changed{}", show(&changed.users)),
            Event::TopicsEnded(ended) => format!("ended {:?}", ended.kinds),
            Event::Error(error) => format!("error {:?}", error.code),
            _ => continue,
        });
    }
}

async fn all_told(test: &mut Test) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(one) = told(test).await {
        all.push(one);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_each_is_told() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    watch(&test.client, &mut peer, 9, None).await;
    snapshot(&mut peer, 9, vec![person("a", Status::Online, 5)], true).await;
    // Between the parts; the next part is older.
    changed(&mut peer, 9, vec![person("b", Status::Offline, 8)]).await;
    snapshot(&mut peer, 9, vec![person("b", Status::Online, 4), person("c", Status::Away, 6)], false).await;
    changed(&mut peer, 9, vec![person("a", Status::Busy, 4), person("c", Status::InCall, 9)]).await;
    // Nothing is left of this one, and of another view.
    changed(&mut peer, 9, vec![person("a", Status::Busy, 4)]).await;
    changed(&mut peer, 8, vec![person("a", Status::Busy, 99)]).await;
    snapshot(&mut peer, 8, vec![person("a", Status::Busy, 99)], false).await;
    changed(&mut peer, 9, vec![person("a", Status::Offline, 10)]).await;
    let expected = [
        "anew a:Online:5",
        "changed b:Offline:8",
        "part c:Away:6",
        "changed c:InCall:9",
        "changed a:Offline:10",
    ];
    assert_eq!(all_told(&mut test).await, expected);
}

#[tokio::test(start_paused = true)]
async fn it_is_followed_again_beside_positions() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let client = test.client.clone();
    let asked = tokio::spawn(async move { client.positions(None).await });
    assert_eq!(grant(&mut peer, 7).await, only(Channel::Locations, None));
    let positions = asked.await.unwrap().unwrap();
    let agents = |view, ids: &[&str]| {
        let agents: Vec<_> =
            (1..).zip(ids).map(|(alias, id)| super::places::agent(alias, id, Some(10))).collect();
        LocationSnapshot { view, epoch: Epoch(1), agents, more: false }
    };
    peer.say(name::LOCATION_SNAPSHOT, &agents(7, &["x"])).await;
    let bob = Some(vec![user("bob")]);
    watch(&test.client, &mut peer, 9, bob.clone()).await;
    snapshot(&mut peer, 9, vec![person("bob", Status::Online, 50)], false).await;
    // The view of positions is the one that it was.
    super::places::ticks(&mut peer, 7, &[(1, 11)]).await;
    assert_eq!(super::places::settled(&positions).await, [("x".to_owned(), 11)]);
    assert_eq!(all_told(&mut test).await, ["anew bob:Online:50"]);

    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    assert_eq!(grant(&mut peer, 3).await, only(Channel::Locations, None));
    assert_eq!(grant(&mut peer, 9).await, only(Channel::Presence, bob));
    peer.say(name::LOCATION_SNAPSHOT, &agents(3, &["x", "y"])).await;
    // Another server may count otherwise, and give the view the same number.
    snapshot(&mut peer, 9, vec![person("bob", Status::Offline, 2)], false).await;
    assert_eq!(all_told(&mut test).await, ["anew bob:Offline:2"]);
    assert_eq!(positions.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_takes_no_other_with_it() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let client = test.client.clone();
    let asked = tokio::spawn(async move { client.positions(None).await });
    grant(&mut peer, 7).await;
    let _positions = asked.await.unwrap().unwrap();
    watch(&test.client, &mut peer, 9, None).await;
    snapshot(&mut peer, 9, vec![person("a", Status::Online, 1)], false).await;
    peer.end(None).await;

    // Not now: asked for again after a time, and alone.
    let (mut peer, _) = test.greeted().await;
    grant(&mut peer, 7).await;
    let (request, _) = wish(&mut peer).await;
    peer.answer_with(name::ERROR, &request, &ErrorCode::Unavailable.with("not now")).await;
    let (request, again) = wish(&mut peer).await;
    assert_eq!(again, only(Channel::Presence, None));
    assert_eq!(all_told(&mut test).await, ["anew a:Online:1"]);
    // Never: what was shown goes, and the application learns why.
    peer.answer_with(name::ERROR, &request, &ErrorCode::Unauthorized.with("no")).await;
    assert_eq!(all_told(&mut test).await, ["anew", "error Unauthorized"]);
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    assert_eq!(grant(&mut peer, 7).await, only(Channel::Locations, None));
    let more = tokio::time::timeout(Duration::from_secs(9), peer.request()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_meanwhile_holds_for_its_channel_only() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let client = test.client.clone();
    let asked = tokio::spawn(async move { client.positions(None).await });
    grant(&mut peer, 7).await;
    let _positions = asked.await.unwrap().unwrap();
    watch(&test.client, &mut peer, 9, None).await;
    peer.end(None).await;
    let client = test.client.clone();
    let bob = Some(vec![user("bob")]);
    let wanted = bob.clone();
    let asked = tokio::spawn(async move { client.watch_presence(wanted).await });
    idle().await;
    let (mut peer, _) = test.greeted().await;
    let wishes = [grant(&mut peer, 1).await, grant(&mut peer, 2).await];
    assert!(wishes.contains(&only(Channel::Presence, bob)), "{wishes:?}");
    assert!(wishes.contains(&only(Channel::Locations, None)), "{wishes:?}");
    asked.await.unwrap().unwrap();
    let more = tokio::time::timeout(Duration::from_secs(9), peer.request()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn who_unsubscribes_is_told_nothing_and_keeps_positions() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let client = test.client.clone();
    let asked = tokio::spawn(async move { client.positions(None).await });
    grant(&mut peer, 7).await;
    let positions = asked.await.unwrap().unwrap();
    let part = vec![super::places::agent(1, "x", Some(10))];
    let part = LocationSnapshot { view: 7, epoch: Epoch(1), agents: part, more: false };
    peer.say(name::LOCATION_SNAPSHOT, &part).await;
    watch(&test.client, &mut peer, 9, None).await;
    let client = test.client.clone();
    let unsubscribe = Unsubscribe { channels: vec![Channel::Presence] };
    let asked = tokio::spawn(async move { client.unsubscribe(unsubscribe).await });
    let request = peer.request().await;
    peer.answer(&request, &serde_json::json!({})).await;
    asked.await.unwrap().unwrap();
    // It was on its way.
    changed(&mut peer, 9, vec![person("a", Status::Online, 1)]).await;
    assert_eq!(all_told(&mut test).await, Vec::<String>::new());
    assert_eq!(positions.len(), 1);
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    assert_eq!(grant(&mut peer, 3).await, only(Channel::Locations, None));
    let more = tokio::time::timeout(Duration::from_secs(9), peer.request()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_comes_with_the_next_snapshot() {
    let mut config = config();
    config.limits.events = 4;
    let mut test = Test::start(config);
    let (mut peer, _) = test.greeted().await;
    watch(&test.client, &mut peer, 9, None).await;
    for version in 1..=9 {
        if peer.ends().incoming.is_closed() {
            break;
        }
        changed(&mut peer, 9, vec![person("a", Status::Busy, version)]).await;
        idle().await;
    }
    drop(peer);
    let slow = |state: &State| matches!(state, State::Backoff { cause: Loss::SlowConsumer, .. });
    test.client.state().wait_for(slow).await.unwrap();
    all_told(&mut test).await;
    let (mut peer, _) = test.greeted().await;
    grant(&mut peer, 9).await;
    snapshot(&mut peer, 9, vec![person("a", Status::Offline, 12)], false).await;
    assert_eq!(all_told(&mut test).await, ["anew a:Offline:12"]);
}

#[tokio::test(start_paused = true)]
async fn sets_and_asks() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let client = test.client.clone();
    let asked = tokio::spawn(async move {
        let me = client.set_presence(Some(Availability::Busy), Some("Rounds".into())).await;
        let page = client.presence(PresenceGet { users: Some(vec![user("bob")]), ..<_>::default() }).await;
        (me, page, client.set_presence(None, None).await)
    });
    let request = peer.request().await;
    let Command::PresenceSet(set) = &request.command else { panic!("{request:?}") };
    assert_eq!((set.status, set.text.as_deref()), (Some(Availability::Busy), Some("Rounds")));
    let me = Presence { text: "Rounds".into(), ..person("u", Status::Busy, 3) };
    peer.answer(&request, &me).await;
    let request = peer.request().await;
    let Command::PresenceGet(get) = &request.command else { panic!("{request:?}") };
    assert_eq!(get.users, Some(vec![user("bob")]));
    let page = PresencePage { users: vec![person("bob", Status::Offline, 0)], next: None };
    peer.answer(&request, &page).await;
    let request = peer.request().await;
    let refusal = ErrorCode::RateLimitExceeded.with("slower");
    peer.answer_with(name::ERROR, &request, &refusal).await;
    assert_eq!(asked.await.unwrap(), (Ok(me), Ok(page), Err(Error::Refused(refusal))));
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_counted() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    watch(&test.client, &mut peer, 9, None).await;
    peer.say(name::PRESENCE_SNAPSHOT, &1).await;
    peer.say(name::PRESENCE_CHANGED, &serde_json::json!({ "view": 9, "users": [{}] })).await;
    pass(Duration::from_millis(10)).await;
    assert_eq!(test.client.stats().unreadable, 2);
    assert!(test.client.state().borrow().is_open());
}

/// Gives up long before a silent connection counts as dead.
fn hasty() -> crate::Config {
    let mut config = config();
    config.limits.request = Duration::from_secs(2);
    config
}

/// Asks to watch bob, and gives up before the server has answered.
async fn given_up(test: &Test, peer: &mut Peer) -> Request {
    let client = test.client.clone();
    let asked = tokio::spawn(async move { client.watch_presence(Some(vec![user("bob")])).await });
    let (request, _) = wish(peer).await;
    assert_eq!(asked.await.unwrap(), Err(Error::Timeout));
    request
}

fn granted(view: u32) -> Subscribed {
    Subscribed { subscriptions: vec![Subscription { channel: Channel::Presence, view, epoch: Epoch(1) }] }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_times_out_is_told_of_once_the_server_has_done_it() {
    let mut test = Test::start(hasty());
    let (mut peer, _) = test.greeted().await;
    watch(&test.client, &mut peer, 3, None).await;
    snapshot(&mut peer, 3, vec![person("a", Status::Online, 5)], false).await;
    let request = given_up(&test, &mut peer).await;
    changed(&mut peer, 3, vec![person("a", Status::Busy, 6)]).await;
    peer.answer(&request, &granted(4)).await;
    snapshot(&mut peer, 4, vec![person("bob", Status::Online, 2)], false).await;
    assert_eq!(all_told(&mut test).await, ["anew a:Online:5", "changed a:Busy:6", "anew bob:Online:2"]);
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    assert_eq!(grant(&mut peer, 5).await, only(Channel::Presence, Some(vec![user("bob")])));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_times_out_and_is_refused_changes_nothing() {
    let mut test = Test::start(hasty());
    let (mut peer, _) = test.greeted().await;
    watch(&test.client, &mut peer, 3, None).await;
    snapshot(&mut peer, 3, vec![person("a", Status::Online, 5)], false).await;
    let request = given_up(&test, &mut peer).await;
    peer.answer_with(name::ERROR, &request, &ErrorCode::Unavailable.with("too late")).await;
    changed(&mut peer, 3, vec![person("a", Status::Busy, 6)]).await;
    assert_eq!(all_told(&mut test).await, ["anew a:Online:5", "changed a:Busy:6"]);
    // Whose connection ends before its answer is not asked again: what is known to be followed is.
    given_up(&test, &mut peer).await;
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    assert_eq!(grant(&mut peer, 5).await, only(Channel::Presence, None));
    let more = tokio::time::timeout(Duration::from_secs(9), peer.request()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_rights_no_longer_grant_is_told_and_not_asked_again() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let client = test.client.clone();
    let asked = tokio::spawn(async move { client.positions(None).await });
    grant(&mut peer, 7).await;
    let positions = asked.await.unwrap().unwrap();
    let agents = vec![super::places::agent(1, "x", Some(10))];
    let part = LocationSnapshot { view: 7, epoch: Epoch(1), agents, more: false };
    peer.say(name::LOCATION_SNAPSHOT, &part).await;
    watch(&test.client, &mut peer, 9, None).await;
    snapshot(&mut peer, 9, vec![person("a", Status::Online, 5)], false).await;
    let ended = |channel, view| {
        let error = ErrorCode::Unauthorized.with("no longer");
        SubscriptionEnded { channel, view, error }
    };
    // Of a view that was replaced meanwhile.
    peer.say(name::SUBSCRIPTION_ENDED, &ended(Channel::Presence, 8)).await;
    peer.say(name::SUBSCRIPTION_ENDED, &ended(Channel::Locations, 9)).await;
    assert_eq!(all_told(&mut test).await, ["anew a:Online:5"]);
    assert_eq!(positions.len(), 1);
    peer.say(name::SUBSCRIPTION_ENDED, &ended(Channel::Presence, 9)).await;
    assert_eq!(all_told(&mut test).await, ["anew", "error Unauthorized"]);
    peer.say(name::SUBSCRIPTION_ENDED, &ended(Channel::Locations, 7)).await;
    assert_eq!(all_told(&mut test).await, ["error Unauthorized"]);
    assert_eq!(positions.len(), 0);
    let topics = TopicsEnded {
        kinds: vec![TopicKind::Conversation],
        error: ErrorCode::Unauthorized.with("no longer"),
    };
    peer.say(name::TOPICS_ENDED, &topics).await;
    assert_eq!(all_told(&mut test).await, ["ended [Conversation]"]);
    peer.say(name::SUBSCRIPTION_ENDED, &1).await;
    peer.say(name::TOPICS_ENDED, &1).await;
    pass(Duration::from_millis(10)).await;
    assert_eq!(test.client.stats().unreadable, 2);
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    let more = tokio::time::timeout(Duration::from_secs(9), peer.request()).await;
    assert!(more.is_err(), "{more:?}");
}
