//! A newer token before the old one ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use fanfare_proto::{
    Command, Epoch, ErrorCode, Request, UnixMs,
    command::Channel,
    event::{Authenticated, LocationAgents, ServerPing, TokenRefreshed, name},
};
use futures::FutureExt;
use tokio::time::Instant;

use super::{
    fake::{Peer, Test, authenticated, config},
    idle, pass,
    places::{agent, grant, settled, snapshot, spots, ticks},
};
use crate::{Preference, Token, Transport};

/// A client whose application gives `t1`, `t2`, … and a server whose tokens last ten minutes.
async fn start(change: impl FnOnce(&mut crate::Config)) -> (Test, Peer) {
    let mut config = config().transport(Preference::Only(Transport::WebSocket));
    let count = Arc::new(AtomicU64::new(0));
    config.token = Token::provider(move || {
        let count = count.clone();
        async move { Ok(format!("t{}", count.fetch_add(1, Relaxed) + 1)) }
    });
    change(&mut config);
    let mut test = Test::start(config);
    let mut peer = test.peer().await;
    let greeting = peer.any_request().await.unwrap();
    let data = Authenticated { expires_at: authenticated().time.plus(600_000), ..authenticated() };
    peer.answer_with(name::AUTHENTICATED, &greeting, &data).await;
    test.client.opened().await.unwrap();
    (test, peer)
}

/// Lets time pass in which the server is alive, until it is asked something.
async fn asked(peer: &mut Peer) -> Request {
    loop {
        tokio::select! {
            request = peer.request() => return request,
            () = pass(Duration::from_secs(5)) => {}
        }
        peer.say(name::SERVER_PING, &ServerPing { time: authenticated().time, pos: Vec::new() }).await;
    }
}

fn token(request: &Request) -> &str {
    match &request.command {
        Command::TokenRefresh(refresh) => &refresh.token,
        other => panic!("{other:?}"),
    }
}

fn renewed(expires_in: u64, resubscribe: Vec<Channel>) -> TokenRefreshed {
    TokenRefreshed { expires_at: authenticated().time.plus(expires_in), roles: Vec::new(), resubscribe }
}

#[tokio::test(start_paused = true)]
async fn the_token_is_renewed_in_place_ahead_of_its_end() {
    let (mut test, mut peer) = start(|_| {}).await;
    let opened = Instant::now();
    let request = asked(&mut peer).await;
    assert_eq!(token(&request), "t2");
    let after = opened.elapsed().as_secs();
    assert!((540..546).contains(&after), "a minute before its end, not after {after} s");
    peer.answer(&request, &renewed(100_000, Vec::new())).await;
    // A short one when a fifth of its life is left.
    let request = asked(&mut peer).await;
    assert_eq!(token(&request), "t3");
    let after = opened.elapsed().as_secs() - after;
    assert!((79..86).contains(&after), "{after}");
    peer.answer(&request, &renewed(600_000, Vec::new())).await;
    idle().await;
    // It is the one that counts from now on.
    peer.end(None).await;
    let (_peer, greeting) = test.greeted().await;
    assert_eq!(greeting.token.as_deref(), Some("t3"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_one_is_tried_again() {
    let (_test, mut peer) = start(|_| {}).await;
    let request = asked(&mut peer).await;
    let refused = Instant::now();
    peer.answer_with(name::ERROR, &request, &ErrorCode::Unavailable.with("no keys")).await;
    assert_eq!(token(&asked(&mut peer).await), "t3");
    assert!(refused.elapsed() >= Duration::from_secs(9), "{:?}", refused.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_the_server_ended_is_followed_again() {
    let (test, mut peer) = start(|_| {}).await;
    let client = test.client.clone();
    let following = tokio::spawn(async move { client.positions(None).await.map(drop) });
    let request = asked(&mut peer).await;
    assert!(matches!(request.command, Command::Subscribe(_)), "{request:?}");
    let granted = serde_json::json!({ "subscriptions": [{ "channel": "locations", "view": 1, "epoch": 1 }] });
    peer.answer(&request, &granted).await;
    following.await.unwrap().unwrap();
    let request = asked(&mut peer).await;
    assert_eq!(token(&request), "t2");
    peer.answer(&request, &renewed(600_000, vec![Channel::Locations])).await;
    let again = asked(&mut peer).await;
    assert!(matches!(again.command, Command::Subscribe(_)), "{again:?}");
}

/// With fewer rights now: datagrams of the old view that are still under way are nothing to us, whenever they come.
#[tokio::test(start_paused = true)]
async fn nothing_of_a_view_that_ended_is_shown() {
    let (test, mut peer) = start(|_| {}).await;
    let client = test.client.clone();
    let following = tokio::spawn(async move { client.positions(None).await });
    grant(&mut peer, 7).await;
    let positions = following.await.unwrap().unwrap();
    let both = vec![agent(1, "red", Some(10)), agent(2, "blue", Some(10))];
    peer.say(name::LOCATION_SNAPSHOT, &snapshot(7, both, false)).await;
    ticks(&mut peer, 7, &[(1, 11), (2, 11)]).await;
    assert_eq!(settled(&positions).await, spots(&[("blue", 11), ("red", 11)]));
    let request = asked(&mut peer).await;
    let mut changes = positions.updates();
    while changes.next().now_or_never().flatten().is_some() {}
    peer.answer(&request, &renewed(600_000, vec![Channel::Locations])).await;
    // Before the new view is granted …
    ticks(&mut peer, 7, &[(1, 20), (2, 20), (3, 20)]).await;
    let late = LocationAgents { view: 7, epoch: Epoch(1), agents: vec![agent(3, "green", Some(20))] };
    peer.say(name::LOCATION_AGENTS, &late).await;
    assert_eq!(settled(&positions).await, spots(&[("blue", 11), ("red", 11)]));
    assert!(changes.next().now_or_never().is_none(), "nothing changes");
    grant(&mut peer, 8).await;
    // … before it is there, and after. The same alias means somebody else now.
    ticks(&mut peer, 7, &[(1, 21), (2, 21)]).await;
    peer.say(name::LOCATION_SNAPSHOT, &snapshot(8, vec![agent(1, "blue", Some(15))], false)).await;
    ticks(&mut peer, 7, &[(1, 22), (2, 22)]).await;
    assert_eq!(settled(&positions).await, spots(&[("blue", 15)]));
    ticks(&mut peer, 8, &[(1, 23)]).await;
    assert_eq!(settled(&positions).await, spots(&[("blue", 23)]));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_renews_with_the_first_sign_of_the_server() {
    let clock = Arc::new(AtomicU64::new(authenticated().time.0));
    let (_test, mut peer) = start(|config| {
        let clock = clock.clone();
        config.environment.now = Arc::new(move || UnixMs(clock.load(Relaxed)));
    })
    .await;
    let opened = Instant::now();
    // Timers stood still; the time of day did not.
    let woke = authenticated().time.plus(570_000);
    clock.store(woke.0, Relaxed);
    peer.say(name::SERVER_PING, &ServerPing { time: woke, pos: Vec::new() }).await;
    assert_eq!(token(&peer.request().await), "t2");
    assert!(opened.elapsed() < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_the_only_one_is_left_alone() {
    let (_test, mut peer) = start(|config| config.token = Token::fixed("t")).await;
    for _ in 0..150 {
        tokio::select! {
            request = peer.request() => panic!("{request:?}"),
            () = pass(Duration::from_secs(5)) => {}
        }
        peer.say(name::SERVER_PING, &ServerPing { time: authenticated().time, pos: Vec::new() }).await;
    }
}

/// As a program prints it, or an editor leaves it in a file.
#[tokio::test(start_paused = true)]
async fn a_token_is_sent_without_what_stands_around_it() {
    for given in [Token::fixed(" t\n"), Token::provider(async || Ok("t\r\n".to_owned()))] {
        let mut config = config();
        config.token = given;
        let (_, greeting) = Test::start(config).greeted().await;
        assert_eq!(greeting.token.as_deref(), Some("t"));
    }
}
