//! Timers while the time goes on: what is over is not read again, and nothing is left behind in it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use fanfare::store::{
    Store, Timer,
    scylla::{Options, Scylla},
};
use fanfare_proto::UnixMs;

use super::Keyspace;
use crate::Deaf;

/// Of the index.
const SLOT: u64 = 10 * 60 * 1_000;
const DAY: u64 = 144 * SLOT;

fn timer(key: &str, due: u64) -> Timer {
    Timer { key: key.to_owned(), due: UnixMs(due), data: Bytes::new() }
}

async fn due(store: &Scylla, now: u64) -> Vec<String> {
    let due = store.due_timers(UnixMs(now), SLOT, 1_000).await.unwrap();
    due.into_iter().map(|timer| timer.key).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_slots_of_timers_are_passed() {
    let Some(keyspace) = Keyspace::new() else { return };
    let open = || Scylla::open(keyspace.options(), Arc::new(Deaf)).unwrap();
    let (store, other) = (open(), open());
    let session = keyspace.session().await;
    let floor = async || {
        let select = format!("SELECT value FROM {}.meta WHERE name = 'timer_floor'", keyspace.name);
        let rows = session.query_unpaged(select, ()).await.unwrap().into_rows_result().unwrap();
        rows.maybe_first_row::<(i64,)>().unwrap().map_or(0, |(value,)| value as u64)
    };
    store.set_timer(timer("never", u64::MAX)).await.unwrap();
    store.set_timer(timer("fifth", 5 * SLOT + 7)).await.unwrap();
    store.set_timer(timer("held", 6 * SLOT)).await.unwrap();
    for now in 1..=30 {
        let taken = due(&store, now * SLOT).await;
        match now {
            6 => {
                assert_eq!(taken, ["fifth", "held"]);
                store.clear_timer("fifth").await.unwrap();
            }
            // Its lease has run out each time.
            7.. => assert_eq!(taken, ["held"], "{now}"),
            _ => assert_eq!(taken, [""; 0], "{now}"),
        }
    }
    assert!((27..30).contains(&floor().await), "{}", floor().await);
    other.clear_timer("held").await.unwrap();
    // Overdue by slots that are passed already.
    for (n, store) in [&store, &other].into_iter().enumerate() {
        store.set_timer(timer(&format!("late-{n}"), 3 * SLOT)).await.unwrap();
    }
    assert_eq!(due(&other, 30 * SLOT + 1).await, ["late-0", "late-1"]);
    store.set_timer(timer("late-0", 31 * SLOT)).await.unwrap();
    store.clear_timer("late-1").await.unwrap();

    // Nobody looked for a long time; some timers came due meanwhile, others have not.
    store.set_timer(timer("day 3", 3 * DAY)).await.unwrap();
    store.set_timer(timer("day 40", 40 * DAY)).await.unwrap();
    let mut taken = due(&other, 30 * DAY).await;
    taken.sort();
    assert_eq!(taken, ["day 3", "late-0"]);
    assert_eq!(floor().await, 30 * 144 - 1);
    for key in ["day 3", "late-0"] {
        store.clear_timer(key).await.unwrap();
    }
    assert_eq!(due(&store, 40 * DAY - 1).await, [""; 0]);
    assert_eq!(due(&store, 40 * DAY).await, ["day 40"]);
    for store in [store, other] {
        store.close().await;
    }
    keyspace.drop().await;
}

/// Timers are set that are due already, while others pass the slots in which they would stand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_timers_are_not_left_behind() {
    const SETTERS: usize = 64;
    const EACH: usize = 3;
    let Some(keyspace) = Keyspace::new() else { return };
    let open = |in_flight| Scylla::open(Options { in_flight, ..keyspace.options() }, Arc::new(Deaf)).unwrap();
    // All requests of one node wait for each other, so that much happens between two of a call.
    let (setting, taking) = (open(1), open(64));
    let now = Arc::new(AtomicU64::new(0));
    let setters: Vec<_> = (0..SETTERS)
        .map(|setter| {
            let (store, now) = (Arc::clone(&setting), Arc::clone(&now));
            tokio::spawn(async move {
                for n in 0..EACH {
                    let due = now.load(Ordering::Relaxed).saturating_sub(n as u64 % 3 * SLOT);
                    store.set_timer(timer(&format!("{setter}-{n}"), due)).await.unwrap();
                }
            })
        })
        .collect();
    let mut left: BTreeSet<_> =
        (0..SETTERS * EACH).map(|n| format!("{}-{}", n % SETTERS, n / SETTERS)).collect();
    let mut idle = 0;
    while !left.is_empty() && idle < 5 {
        let at = now.fetch_add(SLOT, Ordering::Relaxed) + SLOT;
        // Once all are set, the rest is found as soon as leases allow.
        idle = if setters.iter().all(tokio::task::JoinHandle::is_finished) { idle + 1 } else { 0 };
        for key in due(&taking, at).await {
            taking.clear_timer(&key).await.unwrap();
            left.remove(&key);
        }
    }
    assert_eq!(left, BTreeSet::new(), "left behind");
    for store in [setting, taking] {
        store.close().await;
    }
    keyspace.drop().await;
}
