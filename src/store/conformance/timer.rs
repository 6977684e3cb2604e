//! Timers. Other timers of the store may come due as well, so each case looks at its own.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_proto::UnixMs;

use super::lab::{Lab, fresh};
use crate::store::{Store, Timer};

fn timer(prefix: &str, name: &str, due: u64) -> Timer {
    Timer { key: format!("{prefix}/{name}"), due: UnixMs(due), data: Bytes::copy_from_slice(name.as_bytes()) }
}

/// Takes what is due, and answers the names of those that begin with `prefix`, in the order given.
async fn due(store: &dyn Store, prefix: &str, now: u64, lease_ms: u64) -> Vec<String> {
    let due = store.due_timers(UnixMs(now), lease_ms, 10_000).await.unwrap();
    let own = due.into_iter().filter_map(|timer| {
        let name = timer.key.strip_prefix(prefix)?.strip_prefix('/')?.to_owned();
        assert_eq!(timer.data, name.as_bytes());
        assert!(timer.due.0 <= now);
        Some(name)
    });
    own.collect()
}

pub(super) async fn due_are_leased(lab: &mut Lab) {
    let prefix = fresh();
    for (name, at) in [("c", 30), ("a", 10), ("b", 20)] {
        lab.store.set_timer(timer(&prefix, name, at)).await.unwrap();
    }
    let store = &*lab.store;
    assert_eq!(due(store, &prefix, 9, 100).await, [""; 0]);
    assert_eq!(due(store, &prefix, 20, 100).await, ["a", "b"]);
    assert_eq!(due(store, &prefix, 30, 100).await, ["c"]);
    assert_eq!(due(store, &prefix, 119, 100).await, [""; 0]);
    store.clear_timer(&format!("{prefix}/a")).await.unwrap();
    store.clear_timer(&format!("{prefix}/a")).await.unwrap();
    assert_eq!(due(store, &prefix, 120, 5).await, ["b"]);
    lab.reopen().await;
    let store = &*lab.store;
    assert_eq!(due(store, &prefix, 124, 5).await, [""; 0]);
    assert_eq!(due(store, &prefix, 130, 5).await, ["b", "c"]);
    for name in ["b", "c"] {
        store.clear_timer(&format!("{prefix}/{name}")).await.unwrap();
    }
    assert_eq!(due(store, &prefix, 1_000, 5).await, [""; 0]);
}

pub(super) async fn setting_again_moves(lab: &mut Lab) {
    let prefix = fresh();
    let store = &*lab.store;
    store.set_timer(timer(&prefix, "a", 10)).await.unwrap();
    store.set_timer(timer(&prefix, "a", 50)).await.unwrap();
    assert_eq!(due(store, &prefix, 49, 100).await, [""; 0]);
    assert_eq!(due(store, &prefix, 50, 100).await, ["a"]);
    // Also while somebody holds it: the new time counts, not the lease.
    store.set_timer(timer(&prefix, "a", 60)).await.unwrap();
    assert_eq!(due(store, &prefix, 60, 100).await, ["a"]);
    store.clear_timer(&format!("{prefix}/a")).await.unwrap();
    store.set_timer(timer(&prefix, "a", 5)).await.unwrap();
    assert_eq!(due(store, &prefix, 60, 100).await, ["a"]);
    store.clear_timer(&format!("{prefix}/a")).await.unwrap();
}

/// While the leases hold, nobody gets what another has.
pub(super) async fn takers_share(lab: &mut Lab) {
    let prefix = fresh();
    for n in 0..60 {
        lab.store.set_timer(timer(&prefix, &n.to_string(), 1)).await.unwrap();
    }
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, prefix) = (Arc::clone(&lab.store), prefix.clone());
            tokio::spawn(async move { due(&*store, &prefix, 5, 1_000_000).await })
        })
        .collect();
    let mut taken = Vec::new();
    for task in tasks {
        taken.extend(task.await.unwrap());
    }
    taken.sort_by_key(|name| name.parse::<u32>().unwrap());
    assert_eq!(taken, (0..60).map(|n| n.to_string()).collect::<Vec<_>>());

    // A limit takes only so many, and hides no others.
    let some = lab.store.due_timers(UnixMs(2_000_000), 1_000_000, 7).await.unwrap();
    assert_eq!(some.len(), 7);
    let rest = due(&*lab.store, &prefix, 2_000_000, 1_000_000).await;
    let ours = some.iter().filter(|timer| timer.key.starts_with(&prefix)).count();
    assert_eq!(rest.len() + ours, 60);
    for n in 0..60 {
        lab.store.clear_timer(&format!("{prefix}/{n}")).await.unwrap();
    }
}
