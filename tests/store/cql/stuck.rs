//! Topics whose appends come to nothing that anybody knows: they do not stay so, and do not take others with them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fanfare::store::{
    Append, FixClass, From, Store, StoreError, StoredFix, Timer,
    scylla::{Fault, Hold, Lost, Options, Scylla},
};
use fanfare_proto::{JsonFix, Seq, TopicKey, TopicKind, UnixMs, UserId};

use super::{
    Keyspace,
    interleavings::{Heard, append, log, topic},
};
use crate::Deaf;

fn numbered(n: usize, client: &str) -> Append {
    let mut append = append(None, client);
    append.topic.name.key = TopicKey::new(&format!("t{n}")).unwrap();
    append
}

/// Nobody knows what came of some appends, as a node refuses that may have got as far as to write them, in an empty bucket and in one with events; then the database is well again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_an_unknown_outcome_is_settled() {
    let Some(keyspace) = Keyspace::new() else { return };
    let lost = Lost::Unavailable;
    let options = Options { append: Duration::from_secs(3), lost, ..keyspace.options() };
    let faults = Arc::clone(&options.faults);
    let heard = Arc::<Heard>::default();
    let store = Scylla::open(options, heard.clone()).unwrap();
    let unknown = async |client: &str, fault| {
        faults.set(&topic(), Some(fault));
        let refused = store.append(append(None, client)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        faults.set(&topic(), None);
    };
    let known = async |client: &str| loop {
        // Other tests keep the machine busy.
        if let Ok(appended) = store.append(append(None, client)).await {
            break (appended.outcomes[0].seq.0, appended.outcomes[0].duplicate);
        }
    };
    unknown("a", Fault::Unsent).await;
    assert_eq!(known("b").await.0, 1);
    unknown("c", Fault::Unsent).await;
    unknown("d", Fault::Unsent).await;
    assert_eq!(known("c").await.0, 2);
    unknown("e", Fault::Unanswered).await;
    assert_eq!(known("f").await.0, 4);
    unknown("g", Fault::Unanswered).await;
    assert_eq!(known("g").await, (5, true));
    // Published even if nothing is appended any more.
    unknown("h", Fault::Unanswered).await;
    let expected: Vec<_> = (1..).zip(["b", "c", "e", "f", "g", "h"].map(str::to_owned)).collect();
    while heard.0.lock().unwrap().len() < expected.len() {
        tokio::task::yield_now().await;
    }
    assert_eq!(*heard.0.lock().unwrap(), expected);
    assert_eq!(log(&store).await, expected);
    store.close().await;
    keyspace.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_what_is_too_large_is_refused_for_good() {
    let Some(keyspace) = Keyspace::new() else { return };
    let store = Scylla::open(keyspace.options(), Arc::new(Deaf)).unwrap();
    let mut large = append(None, "large");
    large.events[0].data = Bytes::from(vec![b' '; (4 << 20) + 1]);
    assert_eq!(store.append(large).await, Err(StoreError::TooLarge));
    assert_eq!(store.append(append(None, "small")).await.unwrap().outcomes[0].seq, Seq(1));
    store.close().await;
    keyspace.drop().await;
}

/// Appends to stuck topics come all the time; each topic keeps only a few of the places, and none for longer than
/// somebody waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_stuck_topics_leave_room_for_others() {
    const STUCK: usize = 6;
    let Some(keyspace) = Keyspace::new() else { return };
    let options = Options { append: Duration::from_secs(6), waiting: 64, ..keyspace.options() };
    let faults = Arc::clone(&options.faults);
    let store = Scylla::open(options, Arc::new(Deaf)).unwrap();
    for n in 0..STUCK {
        faults.set(&numbered(n, "x").topic, Some(Fault::Unsent));
    }
    for round in 0..2 {
        let appends: Vec<_> = (0..64 * STUCK)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.append(numbered(n % STUCK, &format!("c{n}"))).await })
            })
            .collect();
        // What finds no room is refused at once.
        while appends.iter().filter(|append| !append.is_finished()).count() > 6 * STUCK {
            tokio::task::yield_now().await;
        }
        // The others go on meanwhile, with every append taken.
        for n in 0..5 {
            let appended = store.append(numbered(99, &format!("{round}-{n}"))).await.unwrap();
            assert_eq!(appended.outcomes[0].seq, Seq(round * 5 + n + 1));
        }
        for refused in appends {
            assert!(matches!(refused.await.unwrap(), Err(StoreError::Unavailable(_))));
        }
    }
    for n in 0..STUCK {
        faults.set(&numbered(n, "x").topic, None);
        // Nobody else's place or turn is in the way.
        assert_eq!(store.append(numbered(n, "x")).await.unwrap().outcomes[0].seq, Seq(1));
    }
    store.close().await;
    keyspace.drop().await;
}

/// What waits is bounded in bytes as well; what is urgent has as much room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_waiting_appends_are_bounded_in_bytes() {
    let Some(keyspace) = Keyspace::new() else { return };
    let options = Options { waiting_bytes: 1 << 20, ..keyspace.options() };
    let faults = Arc::clone(&options.faults);
    let store = Scylla::open(options, Arc::new(Deaf)).unwrap();
    let full = || StoreError::Unavailable("too many bytes are waiting".to_owned());
    let large = |n, client: &str| {
        let mut append = numbered(n, client);
        append.events[0].data = Bytes::from(vec![b' '; 400_000]);
        append
    };
    faults.set(&numbered(0, "x").topic, Some(Fault::Unsent));
    let waiting: Vec<_> = (0..2)
        .map(|n| {
            let (store, append) = (Arc::clone(&store), large(0, &format!("c{n}")));
            tokio::spawn(async move {
                loop {
                    let answer = store.append(append.clone()).await;
                    if answer != Err(full()) {
                        return answer;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    // Until both have their room: a third one, of another topic, is refused at once, and a small one is not.
    for n in 0.. {
        if store.append(large(1, &format!("c{n}"))).await == Err(full()) {
            break;
        }
        tokio::task::yield_now().await;
    }
    store.append(numbered(2, "small")).await.unwrap();
    let mut urgent = large(3, "urgent");
    urgent.topic.name.kind = TopicKind::UrgentNotice;
    store.append(urgent).await.unwrap();
    faults.set(&numbered(0, "x").topic, None);
    for append in waiting {
        append.await.unwrap().unwrap();
    }
    // Their room is free again.
    store.append(large(1, "again")).await.unwrap();
    store.close().await;
    keyspace.drop().await;
}

/// Requests of which a slow database lets none end: what is urgent is written before all of them, and found again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_what_is_urgent_is_written_before_a_flood() {
    const IN_FLIGHT: usize = 16;
    let Some(keyspace) = Keyspace::new() else { return };
    let hold = Arc::<Hold>::default();
    // None of the flood is to give up before all is done, however slow the machine.
    let options = Options {
        in_flight: IN_FLIGHT,
        hold: Some(Arc::clone(&hold)),
        append: Duration::from_mins(2),
        ..keyspace.options()
    };
    let store = Scylla::open(options, Arc::new(Deaf)).unwrap();
    let urgent = |client: &str| {
        let mut append = append(None, client);
        append.topic.name.kind = TopicKind::UrgentNotice;
        append
    };
    let flood: Vec<_> = (0..20 * IN_FLIGHT)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                match n % 3 {
                    0 => store.put_fixes(vec![fix(n as u64 + 1)]).await,
                    // Many who are back read their urgent topics, too.
                    1 => store.read(&urgent("x").topic, From::Latest, 10, 1_000).await.map(drop),
                    _ => store.append(numbered(n, "x")).await.map(drop),
                }
            })
        })
        .collect();
    while hold.waiting() < IN_FLIGHT - IN_FLIGHT / 8 {
        tokio::task::yield_now().await;
    }
    for n in 0..3 {
        let appended = store.append(urgent(&format!("c{n}"))).await.unwrap();
        assert_eq!(appended.outcomes[0].seq, Seq(n + 1));
    }
    assert!(store.append(urgent("c0")).await.unwrap().outcomes[0].duplicate);
    let timer = Timer { key: "escalate".to_owned(), due: UnixMs(1), data: Bytes::new() };
    store.set_timer(timer.clone()).await.unwrap();
    assert_eq!(store.due_timers(UnixMs(1), 1_000, 10).await.unwrap(), [timer]);
    store.clear_timer("escalate").await.unwrap();
    assert_eq!(hold.waiting(), IN_FLIGHT - IN_FLIGHT / 8, "the others have not got into these places");
    assert!(flood.iter().all(|call| !call.is_finished()));
    hold.release();
    for call in flood {
        call.await.unwrap().unwrap();
    }
    store.close().await;
    keyspace.drop().await;
}

fn fix(counter: u64) -> StoredFix {
    let (accuracy, speed, heading, battery) = (None, None, None, None);
    let time = UnixMs(counter * 1_000);
    let fix = JsonFix { counter, time, lat: 1.5, lon: 2.5, accuracy, speed, heading, battery };
    let agent = UserId::new(&format!("agent-{counter}")).unwrap();
    let (org, class) = (topic().org, FixClass::Standard);
    StoredFix { org, agent, source: 1, class, fix: fix.try_into().unwrap() }
}
