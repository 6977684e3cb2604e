//! Requests: answers, repeats, deadlines, bounds.

use std::time::Duration;

use fanfare_proto::{
    Command, Epoch, ErrorCode, Request, RequestId, UnixMs,
    command::{Authenticate, Empty, Priority},
    event::{self, Stored, name},
};
use tokio::time::Instant;

use super::fake::{Peer, Test, config};
use crate::{Client, Error, link::TEXTS};

fn stored(seq: u64) -> Stored {
    Stored {
        topic: "conversation:c".parse().unwrap(),
        epoch: Epoch(1),
        seq: fanfare_proto::Seq(seq),
        at: UnixMs(1),
        duplicate: false,
        conversation_id: None,
    }
}

fn send(client: &Client, text: &str) -> tokio::task::JoinHandle<Result<Stored, Error>> {
    let (client, text) = (client.clone(), text.to_owned());
    tokio::spawn(async move { client.send_message("c".parse().unwrap(), text).await })
}

fn client_id(request: &Request) -> String {
    match &request.command {
        Command::MessageSend(send) => send.client_id.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_a_connection_and_its_answer() {
    let mut test = Test::start(config());
    let sent = send(&test.client, "hello");
    let (mut peer, _) = test.greeted().await;
    let request = peer.request().await;
    peer.answer(&request, &stored(1)).await;
    assert_eq!(sent.await.unwrap(), Ok(stored(1)));

    let sent = send(&test.client, "again");
    let request = peer.request().await;
    let error = ErrorCode::RoomNotFound.with("none");
    peer.answer_with(name::ERROR, &request, &error).await;
    assert_eq!(sent.await.unwrap(), Err(Error::Refused(error)));

    let sent = send(&test.client, "and again");
    let request = peer.request().await;
    peer.answer(&request, &"nonsense").await;
    assert!(matches!(sent.await.unwrap(), Err(Error::Unexpected(_))));
}

#[tokio::test(start_paused = true)]
async fn unanswered_requests_are_repeated_with_the_same_client_id() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let sent: Vec<_> = ["a", "b", "c"].map(|text| send(&test.client, text)).into();
    let mut first = Vec::new();
    for _ in &sent {
        first.push(peer.request().await);
    }
    // One answer gets through, to the second.
    peer.answer(&first[1], &stored(7)).await;
    super::idle().await;
    peer.end(None).await;
    let (mut peer, _) = test.greeted().await;
    for expected in [&first[0], &first[2]] {
        let again = peer.request().await;
        assert_eq!(client_id(&again), client_id(expected));
        peer.answer(&again, &stored(8)).await;
        // The server may answer both sendings.
        peer.answer(&again, &stored(8)).await;
    }
    let mut seqs = Vec::new();
    for sent in sent {
        seqs.push(sent.await.unwrap().unwrap().seq.0);
    }
    assert_eq!(seqs, [8, 7, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_not_repeated() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let client = test.client.clone();
    let ping = tokio::spawn(async move { client.ping().await });
    // The client's own ping comes first.
    let own = peer.any_request().await.unwrap();
    peer.pong(&own).await;
    peer.any_request().await.unwrap();
    peer.end(None).await;
    assert_eq!(ping.await.unwrap(), Err(Error::ConnectionLost));
    assert!(test.client.stats().rtt.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_counts_from_the_call() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let sent = send(&test.client, "a");
    let start = Instant::now();
    let request = peer.request().await;
    peer.end(None).await;
    // Never greeted again: the time passes without a connection too.
    assert_eq!(sent.await.unwrap(), Err(Error::Timeout));
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    // What nobody waits for is not sent again, and a late answer harms nobody.
    let mut peer = loop {
        let mut peer = test.peer().await;
        // The client has given up most of them.
        if !peer.ends().incoming.is_closed()
            && let Some(greeting) = peer.any_request().await
        {
            peer.answer_with(name::AUTHENTICATED, &greeting, &super::fake::authenticated()).await;
            break peer;
        }
    };
    test.client.opened().await.unwrap();
    peer.answer(&request, &stored(1)).await;
    let next = send(&test.client, "b");
    let request = peer.request().await;
    assert!(matches!(&request.command, Command::MessageSend(m) if m.text == "b"));
    peer.answer(&request, &stored(2)).await;
    assert_eq!(next.await.unwrap(), Ok(stored(2)));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_left_sends_nothing() {
    let mut test = Test::start(config());
    let left = send(&test.client, "left");
    super::idle().await;
    left.abort();
    let stays = send(&test.client, "stays");
    let (mut peer, _) = test.greeted().await;
    let request = peer.request().await;
    assert!(matches!(&request.command, Command::MessageSend(m) if m.text == "stays"));
    drop(stays);
}

#[tokio::test(start_paused = true)]
async fn unanswered_requests_are_bounded() {
    let mut config = config();
    config.limits.unanswered = 3;
    let mut test = Test::start(config);
    let sent: Vec<_> = (0..5).map(|n| send(&test.client, &n.to_string())).collect();
    super::idle().await;
    let (mut peer, _) = test.greeted().await;
    for n in 0..3 {
        let request = peer.request().await;
        peer.answer(&request, &stored(n)).await;
    }
    let mut busy = 0;
    for sent in sent {
        busy += usize::from(sent.await.unwrap() == Err(Error::Busy));
    }
    assert_eq!(busy, 2);
}

#[tokio::test(start_paused = true)]
async fn urgent_requests_have_a_lane_of_their_own() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    // The transport takes nothing for a while, and more waits than its lane holds.
    for n in 0..TEXTS + 10 {
        drop(send(&test.client, &n.to_string()));
    }
    super::idle().await;
    let client = test.client.clone();
    let urgent = tokio::spawn(async move { client.broadcast("fire", Priority::Urgent).await });
    let text = peer.ends().urgent.recv().await.unwrap();
    let request = Request::parse(text.as_bytes()).unwrap();
    peer.answer(&request, &stored(1)).await;
    assert_eq!(urgent.await.unwrap(), Ok(stored(1)));
    // What did not fit follows when there is room, each once, in order.
    let mut texts = Vec::new();
    while texts.len() < TEXTS + 10 {
        if let Command::MessageSend(send) = peer.request().await.command {
            texts.push(send.text);
        }
    }
    let expected: Vec<_> = (0..TEXTS + 10).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
}

#[tokio::test(start_paused = true)]
async fn some_commands_are_the_clients_own() {
    let test = Test::start(config());
    let reserved = [Command::Authenticate(Authenticate::default()), Command::Pong(Empty {})];
    for command in reserved {
        let name = command.name();
        assert_eq!(test.client.request(command).await.err(), Some(Error::Reserved(name)));
    }
}

#[tokio::test(start_paused = true)]
async fn closing_fails_what_is_unanswered() {
    let mut test = Test::start(config());
    let (mut peer, _) = test.greeted().await;
    let sent = send(&test.client, "a");
    peer.request().await;
    let peer = tokio::spawn(Peer::goodbye(peer));
    test.client.close().await;
    assert_eq!(sent.await.unwrap(), Err(Error::Closed));
    peer.await.unwrap();
}

#[test]
fn answers_to_nobody_are_ignored() {
    let mut outbox = crate::outbox::Outbox::new(1);
    let event = event::write(name::REPLY, Some(&RequestId::Text("x".into())), &1);
    let event = fanfare_proto::ServerEvent::parse(event.as_bytes()).unwrap();
    for id in [RequestId::Text("x".into()), RequestId::Number(9)] {
        assert_eq!(outbox.answer(&id, event.clone()), (crate::outbox::Meaning::None, None));
    }
}
