//! What loses or doubles events in naive designs.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use fanfare::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, Committed, Event, From, NewEvent, Put, RecordKind, Roll, Slot, Store, StoreError, Timer,
        scylla::{Lost, Options, Scylla},
    },
};
use fanfare_proto::{ClientId, Epoch, OrgId, Seq, TopicKey, TopicKind, TopicName, UnixMs, UserId};

use super::Keyspace;
use crate::Deaf;

pub(super) fn topic() -> Topic {
    let key = TopicKey::new("c").unwrap();
    Topic {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        name: TopicName { kind: TopicKind::Conversation, key },
    }
}

fn event(client: &str) -> NewEvent {
    NewEvent {
        author: UserId::new("ann").unwrap(),
        client_id: ClientId::new(client).unwrap(),
        at: UnixMs(1),
        name: "test:event".to_owned(),
        data: Bytes::from_static(b"{}"),
        countable: true,
    }
}

pub(super) fn append(expect: Option<u64>, client: &str) -> Append {
    let (topic, expect) = (topic(), expect.map(Seq));
    Append { topic, expect, events: vec![event(client)], audience: Audience::Organisation }
}

pub(super) async fn log(store: &Scylla) -> Vec<(u64, String)> {
    let page = store.read(&topic(), From::After(Seq::ZERO), usize::MAX, usize::MAX).await.unwrap();
    assert!(!page.more);
    page.events.iter().map(|event| (event.seq.0, event.client_id.to_string())).collect()
}

/// What a node published.
#[derive(Default)]
pub(super) struct Heard(pub(super) Mutex<Vec<(u64, String)>>);

impl Committed for Heard {
    fn committed(&self, _: &Topic, _: Epoch, _: &Audience, events: &[Event]) {
        let mut heard = self.0.lock().unwrap();
        heard.extend(events.iter().map(|event| (event.seq.0, event.client_id.to_string())));
    }
}

/// Sixteen writers on two nodes, on a log that moves to another partition every few events, while a third node reads on
/// from what it has. Every request is made on both nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_nodes_share_a_log() {
    const EACH: usize = 20;
    let Some(keyspace) = Keyspace::new() else { return };
    let options = Options { bucket_events: 5, ..keyspace.options() };
    let heard: Vec<_> = (0..2).map(|_| Arc::<Heard>::default()).collect();
    let nodes: Vec<_> =
        heard.iter().map(|heard| Scylla::open(options.clone(), heard.clone()).unwrap()).collect();
    let reader = Scylla::open(options, Arc::new(Deaf)).unwrap();
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let nodes = nodes.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    let client = format!("{}-{n}", writer / 2);
                    nodes[writer % 2].append(append(None, &client)).await.unwrap();
                }
            })
        })
        .collect();
    let all = 8 * EACH as u64;
    let mut cursor = Seq::ZERO;
    while cursor.0 < all {
        for event in reader.read(&topic(), From::After(cursor), 7, usize::MAX).await.unwrap().events {
            assert_eq!(event.seq, cursor.next());
            cursor = event.seq;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let stored = log(&reader).await;
    assert_eq!(stored.len() as u64, all);
    let mut clients: Vec<_> = stored.iter().map(|(_, client)| client).collect();
    clients.sort();
    clients.dedup();
    assert_eq!(clients.len() as u64, all, "a request is there twice");
    let mut published = Vec::new();
    for heard in &heard {
        let heard = heard.0.lock().unwrap();
        assert!(heard.is_sorted(), "published out of order");
        published.extend(heard.iter().cloned());
    }
    published.sort();
    assert_eq!(published, stored, "each was published once, by the node that appended it");
    for node in nodes.iter().chain([&reader]) {
        node.close().await;
    }
    keyspace.drop().await;
}

/// Two nodes take timers at the same time: each timer is taken once, and comes again when its lease has run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_nodes_share_timers() {
    let Some(keyspace) = Keyspace::new() else { return };
    let nodes: Vec<_> = (0..2).map(|_| Scylla::open(keyspace.options(), Arc::new(Deaf)).unwrap()).collect();
    let timer = |n: u64| Timer { key: format!("{n:02}"), due: UnixMs(n), data: Bytes::from(n.to_string()) };
    for n in 0..40 {
        nodes[n as usize % 2].set_timer(timer(n)).await.unwrap();
    }
    for now in [100, 20_000_000] {
        let takers: Vec<_> = (0..4)
            .map(|taker| {
                let node = Arc::clone(&nodes[taker % 2]);
                tokio::spawn(async move { node.due_timers(UnixMs(now), 1_000, 100).await.unwrap() })
            })
            .collect();
        let mut taken = Vec::new();
        for taker in takers {
            taken.extend(taker.await.unwrap());
        }
        taken.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(taken, (0..40).map(timer).collect::<Vec<_>>());
    }
    for node in nodes {
        node.close().await;
    }
    keyspace.drop().await;
}

/// The answer to a clearing is lost, and before it is repeated another node sets the timer anew: that one stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_a_repeated_clear_spares_what_was_set_since() {
    let Some(keyspace) = Keyspace::new() else { return };
    let second = Scylla::open(keyspace.options(), Arc::new(Deaf)).unwrap();
    let options = Options { lose: Arc::default(), ..keyspace.options() };
    let lose = Arc::clone(&options.lose);
    let first = Scylla::open(options, Arc::new(Deaf)).unwrap();
    let session = keyspace.session().await;
    let count = format!("SELECT count(*) FROM {}.timer", keyspace.name);
    let timer = |due| Timer { key: "t".to_owned(), due: UnixMs(due), data: Bytes::new() };
    first.set_timer(timer(1)).await.unwrap();
    lose.store(u32::MAX, Ordering::Relaxed);
    let clearing = tokio::spawn({
        let first = Arc::clone(&first);
        async move { first.clear_timer("t").await }
    });
    loop {
        let counted = session.query_unpaged(&*count, ()).await.unwrap().into_rows_result().unwrap();
        if counted.single_row::<(i64,)>().unwrap().0 == 0 {
            break;
        }
    }
    second.set_timer(timer(2)).await.unwrap();
    lose.store(0, Ordering::Relaxed);
    assert_eq!(clearing.await.unwrap(), Ok(()));
    assert_eq!(second.due_timers(UnixMs(9), 1_000, 10).await, Ok(vec![timer(2)]));
    // One that was taken is cleared as well.
    first.clear_timer("t").await.unwrap();
    assert_eq!(second.due_timers(UnixMs(20_000_000), 1_000, 10).await, Ok(vec![]));
    for node in [first, second] {
        node.close().await;
    }
    keyspace.drop().await;
}

/// The write was applied, and its answer never came, or was that of a node that failed once it was accepted: it is found
/// out, not done again and not taken for a conflict, and who listens hears of it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_lost_answers_are_found_out() {
    let Some(keyspace) = Keyspace::new() else { return };
    let options = Options { bucket_events: 3, ..keyspace.options() };
    let lose = options.lose.clone();
    let heard = Arc::<Heard>::default();
    let nodes = [Lost::TimeOut, Lost::Overloaded, Lost::Unavailable]
        .map(|lost| Scylla::open(Options { lost, ..options.clone() }, heard.clone()).unwrap());
    let slot = Slot {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        kind: RecordKind::Membership,
        partition: "p".to_owned(),
        key: "k".to_owned(),
    };
    let kept = Slot { kind: RecordKind::Document, ..slot.clone() };
    for n in 0..12 {
        let store = &nodes[n % nodes.len()];
        lose.store(1 + n as u32 / 3 % 3, Ordering::Relaxed);
        let n = n as u64;
        let appended = store.append(append(Some(n), &format!("c{n}"))).await.unwrap();
        assert_eq!((appended.outcomes[0].seq, appended.outcomes[0].duplicate), (Seq(n + 1), false));
        lose.store(2, Ordering::Relaxed);
        let put = Put { value: Some(Bytes::from(n.to_string())), expires: None };
        assert_eq!(store.put(&slot, (n > 0).then_some(n), put, UnixMs(1)).await, Ok(n + 1));
        lose.store(2, Ordering::Relaxed);
        let put = Put { value: Some(Bytes::from(n.to_string())), expires: None };
        assert_eq!(store.put(&kept, (n > 0).then_some(n), put, UnixMs(1)).await, Ok(n + 1));
        lose.store(1, Ordering::Relaxed);
        let revised = store.amend(&topic(), Seq(n + 1), 0, "test:edited".to_owned(), Bytes::new()).await;
        assert_eq!(revised, Ok(1));
        lose.store(2, Ordering::Relaxed);
        let timer = Timer { key: "t".to_owned(), due: UnixMs(n), data: Bytes::new() };
        store.set_timer(timer.clone()).await.unwrap();
        lose.store(2, Ordering::Relaxed);
        assert_eq!(store.due_timers(UnixMs(n), 1_000, 10).await, Ok(vec![timer]));
        lose.store(1, Ordering::Relaxed);
        store.clear_timer("t").await.unwrap();
        // Lists are read once more, too.
        lose.store(1, Ordering::Relaxed);
        assert_eq!(store.roll(Roll::Topics, None, 10).await.unwrap().entries.len(), 1);
    }
    lose.store(0, Ordering::Relaxed);
    let store = &nodes[0];
    let expected: Vec<_> = (0..12).map(|n| (n + 1, format!("c{n}"))).collect();
    assert_eq!(log(store).await, expected);
    let history = store.history(&kept, 0, 100, usize::MAX).await.unwrap();
    let values: Vec<_> = history.versions.into_iter().map(|version| version.put.value.unwrap()).collect();
    assert_eq!(values, (0..12).map(|n| Bytes::from(n.to_string())).collect::<Vec<_>>());
    assert_eq!(*heard.0.lock().unwrap(), expected);
    assert_eq!(store.due_timers(UnixMs(100), 1, 10).await, Ok(vec![]));
    for node in nodes {
        node.close().await;
    }
    keyspace.drop().await;
}

/// A node dies after its write was applied and before it knew; what it was asked is asked again elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_a_restart_repeats_nothing() {
    let Some(keyspace) = Keyspace::new() else { return };
    let options = keyspace.options();
    let second = Scylla::open(options.clone(), Arc::new(Deaf)).unwrap();
    second.append(append(None, "first")).await.unwrap();
    for n in 1..5 {
        let first = Options { append: Duration::from_millis(300), lose: Arc::default(), ..options.clone() };
        let lose = first.lose.clone();
        let store = Scylla::open(first, Arc::new(Deaf)).unwrap();
        lose.store(u32::MAX, Ordering::Relaxed);
        let client = format!("c{n}");
        let refused = store.append(append(None, &client)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        // Not closed: its threads just end.
        drop(store);
        let again = second.append(append(None, &client)).await.unwrap().outcomes[0];
        assert_eq!((again.seq, again.duplicate), (Seq(n + 1), true));
    }
    assert_eq!(log(&second).await.len(), 5);
    second.close().await;
    keyspace.drop().await;
}
