//! States, the race of transports, back-off, advice.

use std::{sync::Arc, sync::Mutex, time::Duration};

use fanfare_proto::{CloseCode, Command, ErrorCode, command::Empty, event::name};
use tokio::time::Instant;

use super::fake::{Fake, Plan, Test, config};
use crate::{CloseReason, Error, Loss, Preference, State, Token, TokenError, Transport, link::Goodbye};

fn only(transport: Transport) -> crate::Config {
    config().transport(Preference::Only(transport))
}

#[tokio::test(start_paused = true)]
async fn goes_through_its_states() {
    let mut test = Test::start(only(Transport::WebSocket));
    let (peer, _) = test.greeted().await;
    peer.end(None).await;
    let (peer, _) = test.greeted().await;
    let goodbye = tokio::spawn(peer.goodbye());
    test.client.close().await;
    assert_eq!(goodbye.await.unwrap(), Goodbye::DONE);
    let open = State::Open(Transport::WebSocket);
    let history = test.client.shared().history.lock().unwrap().clone();
    let expected = vec![
        State::Connecting,
        State::Authenticating,
        open.clone(),
        State::Backoff { cause: Loss::Broken("test".into()), wait: Some(Duration::from_millis(250)) },
        State::Connecting,
        State::Authenticating,
        open,
        State::Closed(CloseReason::ByApplication),
    ];
    assert_eq!(history, expected);
    assert_eq!(test.client.request(Command::Ping(Empty {})).await.err(), Some(Error::Closed));
}

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Comes back almost at once.
    Returns,
    /// The same, with a newer token.
    Renews,
    /// Comes back later.
    Waits,
    /// Does not come back.
    Ends,
}

/// Every close code has a row. One without is caught below: whoever adds a code decides what clients do.
const CLOSED: [(CloseCode, Does); CloseCode::ALL.len()] = [
    (CloseCode::GoingAway, Does::Returns),
    (CloseCode::Slow, Does::Returns),
    (CloseCode::Silent, Does::Returns),
    (CloseCode::TokenExpired, Does::Renews),
    (CloseCode::AuthTimeout, Does::Waits),
    (CloseCode::ConnectionLimit, Does::Waits),
    (CloseCode::Unavailable, Does::Waits),
    (CloseCode::Disconnected, Does::Waits),
    (CloseCode::TokenNotYetValid, Does::Waits),
    (CloseCode::AuthFailed, Does::Ends),
    (CloseCode::Abuse, Does::Ends),
    (CloseCode::TooLarge, Does::Ends),
    (CloseCode::Violation, Does::Ends),
    (CloseCode::Revoked, Does::Ends),
];

/// Every code that `authenticate` may be refused with.
const REFUSED: [(ErrorCode, Does); ErrorCode::ALL.len()] = [
    (ErrorCode::AuthFailed, Does::Ends),
    (ErrorCode::Unauthorized, Does::Ends),
    (ErrorCode::InvalidMessage, Does::Ends),
    (ErrorCode::MessageTooLarge, Does::Ends),
    (ErrorCode::RateLimitExceeded, Does::Waits),
    (ErrorCode::SubscriptionFailed, Does::Ends),
    (ErrorCode::RoomNotFound, Does::Ends),
    (ErrorCode::RoomFull, Does::Ends),
    (ErrorCode::ConnectionLimit, Does::Waits),
    (ErrorCode::InternalError, Does::Waits),
    (ErrorCode::TokenExpired, Does::Renews),
    (ErrorCode::TokenNotYetValid, Does::Waits),
    (ErrorCode::Conflict, Does::Waits),
    (ErrorCode::Unavailable, Does::Waits),
];

/// A client whose tokens are counted, from 1.
fn counting() -> crate::Config {
    let count = Arc::new(Mutex::new(0));
    let mut config = only(Transport::WebTransport);
    config.token = Token::provider(move || {
        let count = count.clone();
        async move {
            *count.lock().unwrap() += 1;
            Ok(format!("t{}", count.lock().unwrap()))
        }
    });
    config
}

/// Asserts what a client does that was open or greeting until now.
async fn assert_does(test: &mut Test, does: Does, what: &str) {
    let start = Instant::now();
    if does == Does::Ends {
        let mut state = test.client.state();
        state.wait_for(State::is_closed).await.unwrap();
        return;
    }
    let (_, greeting) = test.greeted().await;
    let (waited, renewed) = (start.elapsed(), greeting.token.as_deref() == Some("t2"));
    assert_eq!(waited >= Duration::from_millis(500), does == Does::Waits, "{what}: {waited:?}");
    assert_eq!(renewed, does == Does::Renews, "{what}");
}

#[tokio::test(start_paused = true)]
async fn every_close_code_is_obeyed() {
    assert_eq!(CLOSED.map(|(code, _)| code), CloseCode::ALL, "a row for each");
    for (code, does) in CLOSED {
        let number = u32::from(code.number());
        let mut test = Test::start(counting());
        let (peer, _) = test.greeted().await;
        peer.end(Some(number)).await;
        assert_does(&mut test, does, &format!("{code:?}")).await;
        if does == Does::Ends {
            let reason = CloseReason::Server { code: number, reason: "test".into() };
            assert_eq!(*test.client.state().borrow(), State::Closed(reason), "{code:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_refusal_of_a_greeting_is_obeyed() {
    assert_eq!(REFUSED.map(|(code, _)| code), ErrorCode::ALL, "a row for each");
    for (code, does) in REFUSED {
        let mut test = Test::start(counting());
        let mut peer = test.peer().await;
        let greeting = peer.any_request().await.unwrap();
        peer.answer_with(name::ERROR, &greeting, &code.with("no")).await;
        assert_does(&mut test, does, &format!("{code:?}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_renewed() {
    let given = Arc::new(Mutex::new(0));
    let mut config = only(Transport::WebSocket);
    let count = given.clone();
    config.token = Token::provider(move || {
        let count = count.clone();
        async move {
            *count.lock().unwrap() += 1;
            Ok(format!("t{}", count.lock().unwrap()))
        }
    });
    let mut test = Test::start(config);
    let (peer, greeting) = test.greeted().await;
    assert_eq!(greeting.token.as_deref(), Some("t1"));
    // Another loss keeps the token.
    peer.end(None).await;
    let (peer, greeting) = test.greeted().await;
    assert_eq!(greeting.token.as_deref(), Some("t1"));
    peer.end(Some(CloseCode::TokenExpired.number().into())).await;
    let mut peer = test.peer().await;
    let greeting = peer.any_request().await.unwrap();
    assert!(matches!(&greeting.command, Command::Authenticate(a) if a.token.as_deref() == Some("t2")));
    let expired = ErrorCode::TokenExpired.with("expired");
    peer.answer_with(name::ERROR, &greeting, &expired).await;
    let (_peer, greeting) = test.greeted().await;
    assert_eq!(greeting.token.as_deref(), Some("t3"));
}

/// A token that is issued before the server says so would be refused as well.
#[tokio::test(start_paused = true)]
async fn a_newer_token_is_asked_for_after_the_wait() {
    let mut test = Test::start(counting());
    let mut peer = test.peer().await;
    let greeting = peer.any_request().await.unwrap();
    let doubtful = ErrorCode::TokenExpired.with("from before a revocation?").retry_after(20_000);
    peer.answer_with(name::ERROR, &greeting, &doubtful).await;
    let start = Instant::now();
    let (_peer, greeting) = test.greeted().await;
    assert!(start.elapsed() >= Duration::from_secs(20));
    assert_eq!(greeting.token.as_deref(), Some("t2"));
}

#[tokio::test(start_paused = true)]
async fn ends_where_no_token_helps() {
    let end = |token: Token, error: Option<ErrorCode>| async move {
        let mut config = only(Transport::WebSocket);
        config.token = token;
        let mut test = Test::start(config);
        if let Some(error) = error {
            let mut peer = test.peer().await;
            let greeting = peer.any_request().await.unwrap();
            peer.answer_with(name::ERROR, &greeting, &error.with("no")).await;
        }
        test.client.opened().await.expect_err("ends")
    };
    let fixed = || Token::fixed("t");
    assert!(matches!(end(fixed(), Some(ErrorCode::TokenExpired)).await, CloseReason::Token(_)));
    assert!(matches!(end(fixed(), Some(ErrorCode::AuthFailed)).await, CloseReason::Refused(_)));
    let denied = Token::provider(|| async { Err(TokenError::Denied("logged out".into())) });
    assert_eq!(end(denied, None).await, CloseReason::Token("logged out".into()));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_cannot_answer_is_asked_again() {
    let tries = Arc::new(Mutex::new(0));
    let mut config = only(Transport::WebSocket);
    config.token = Token::provider(move || {
        let tries = tries.clone();
        async move {
            let mut tries = tries.lock().unwrap();
            *tries += 1;
            if *tries < 4 { Err(TokenError::Temporary("offline".into())) } else { Ok("t".into()) }
        }
    });
    let mut test = Test::start(config);
    test.greeted().await;
    assert_eq!(test.client.stats().losses, 3);
}

#[tokio::test(start_paused = true)]
async fn webtransport_has_a_head_start() {
    let mut test = Test::start(config());
    let start = Instant::now();
    let (first, second) = (test.peer().await, test.peer().await);
    assert_eq!(start.elapsed(), Duration::from_millis(500));
    assert_eq!((first.transport, second.transport), (Transport::WebTransport, Transport::WebSocket));
    // A handshake is no win: the first one stalls.
    let mut second = second;
    second.greet().await;
    assert_eq!(test.client.opened().await, Ok(Transport::WebSocket));
    assert_eq!(first.goodbye().await, Goodbye::DONE, "the loser is closed");
}

#[tokio::test(start_paused = true)]
async fn the_winner_goes_first_for_a_while() {
    let (fake, peers) = Fake::new();
    fake.plan(Transport::WebTransport, Plan::Hang);
    let mut test = Test::start_with(config(), fake, peers);
    let (peer, _) = test.greeted().await;
    assert_eq!(peer.transport, Transport::WebSocket);
    peer.end(None).await;
    let start = Instant::now();
    let (peer, _) = test.greeted().await;
    assert_eq!(peer.transport, Transport::WebSocket);
    assert!(start.elapsed() < Duration::from_millis(500), "no head start of the other");
    // Some time later the network may be another.
    let mut keep = tokio::spawn(async move {
        let mut peer = peer;
        for _ in 0..70 {
            super::pass(Duration::from_secs(10)).await;
            peer.say(name::SERVER_PING, &serde_json::json!({"time": 0})).await;
        }
        peer
    });
    let peer = (&mut keep).await.unwrap();
    peer.end(None).await;
    let (peer, _) = test.greeted().await;
    assert_eq!(peer.transport, Transport::WebTransport);
}

#[tokio::test(start_paused = true)]
async fn a_failed_transport_does_not_delay_the_other() {
    let (fake, peers) = Fake::new();
    fake.plan(Transport::WebTransport, Plan::Fail);
    let start = Instant::now();
    let mut test = Test::start_with(config(), fake, peers);
    let (peer, _) = test.greeted().await;
    assert_eq!(peer.transport, Transport::WebSocket);
    assert!(start.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn backs_off_until_a_session_lives() {
    let mut test = Test::start(only(Transport::WebSocket));
    let mut waits = Vec::new();
    let (mut peer, _) = test.greeted().await;
    for lives in [0, 0, 0, 0, 0, 0, 0, 0, 0, 11] {
        for _ in 0..lives {
            super::pass(Duration::from_secs(1)).await;
            peer.say(name::SERVER_PING, &serde_json::json!({"time": 0})).await;
        }
        let end = Instant::now();
        peer.end(Some(CloseCode::Slow.number().into())).await;
        peer = test.peer().await;
        waits.push(end.elapsed().as_millis());
        peer.greet().await;
        test.client.opened().await.unwrap();
    }
    // Half of 0.5 s, 1 s, 2 s … up to half of 30 s, and from the beginning after a session that lived.
    assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000, 250]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_may_say_when_to_come_back() {
    let mut test = Test::start(only(Transport::WebSocket));
    let mut peer = test.peer().await;
    let greeting = peer.any_request().await.unwrap();
    let busy = ErrorCode::Unavailable.with("busy").retry_after(20_000);
    peer.answer_with(name::ERROR, &greeting, &busy).await;
    let start = Instant::now();
    // A change of network does not overrule the server.
    test.client.network_changed().await.unwrap();
    test.greeted().await;
    assert!(start.elapsed() >= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_network_ends_the_wait_and_probes() {
    let (fake, peers) = Fake::new();
    for _ in 0..5 {
        fake.plan(Transport::WebSocket, Plan::Fail);
    }
    let mut test = Test::start_with(only(Transport::WebSocket), fake, peers);
    let mut state = test.client.state();
    let long = |s: &State| matches!(s, State::Backoff { wait: Some(w), .. } if w.as_secs() >= 15);
    state.wait_for(long).await.unwrap();
    let start = Instant::now();
    test.client.network_changed().await.unwrap();
    let (mut peer, _) = test.greeted().await;
    assert!(start.elapsed() < Duration::from_secs(1));
    // Open, the connection has a few seconds to answer.
    let start = Instant::now();
    test.client.network_changed().await.unwrap();
    loop {
        let request = peer.any_request().await.expect("a ping");
        if matches!(request.command, Command::Ping(_)) {
            break;
        }
    }
    assert_eq!(peer.goodbye().await.code, CloseCode::Silent.number());
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn silence_is_the_end_and_pings_are_answered() {
    let mut test = Test::start(only(Transport::WebSocket));
    let (mut peer, _) = test.greeted().await;
    peer.say(name::SERVER_PING, &serde_json::json!({"time": 5})).await;
    loop {
        if matches!(peer.any_request().await.unwrap().command, Command::Pong(_)) {
            break;
        }
    }
    let start = Instant::now();
    assert_eq!(peer.goodbye().await.code, CloseCode::Silent.number());
    // Two heartbeats of 10 s and a second.
    assert_eq!(start.elapsed(), Duration::from_secs(21));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_ends_the_connection() {
    let mut test = Test::start(only(Transport::WebSocket));
    let (mut peer, _) = test.greeted().await;
    peer.text("{".into()).await;
    assert_eq!(peer.goodbye().await.code, CloseCode::Violation.number());
    let mut state = test.client.state();
    let backoff = |s: &State| matches!(s, State::Backoff { cause: Loss::Unreadable, .. });
    state.wait_for(backoff).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_it() {
    let mut test = Test::start(only(Transport::WebSocket));
    let (peer, _) = test.greeted().await;
    drop(test.client);
    assert_eq!(peer.goodbye().await, Goodbye::DONE);
    while test.events.next().await.is_some() {}
}
