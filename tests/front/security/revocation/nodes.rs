//! What is revoked at one node is known at the others.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fanfare::store::{Store, StoreError, sqlite};
use serde_json::json;
use tokio::sync::Semaphore;

use super::{admin, is_in, is_out, is_refused, issued, open, revoke};
use crate::support::{
    client::BOTH,
    harness::{Process, TestServer},
    store,
    store_proxy::passing,
};

/// A node's way to the store that it shares with another one. Each reading of the log of revocations can be held up.
#[derive(Debug)]
struct Way {
    store: Arc<dyn Store>,
    readings: Semaphore,
    /// One is held up now.
    held: Semaphore,
}

impl Way {
    fn new(store: Arc<dyn Store>, readings: usize) -> Arc<Self> {
        Arc::new(Self { store, readings: Semaphore::new(readings), held: Semaphore::new(0) })
    }

    async fn pass(&self, call: &str) -> Result<(), StoreError> {
        // Requests are done on the shards; no other thread reads a log.
        let shard = std::thread::current().name().is_some_and(|name| name.starts_with("shard-"));
        if call == "read" && !shard {
            if let Ok(reading) = self.readings.try_acquire() {
                reading.forget();
                return Ok(());
            }
            self.held.add_permits(1);
            self.readings.acquire().await.unwrap().forget();
        }
        Ok(())
    }
}

passing!(Way, shared);

/// However long a reading may take to begin: the first that begins after a revocation was answered brings it.
#[tokio::test]
async fn one_reading_of_the_log_is_enough() {
    const MANY: usize = 1_000_000;
    for kind in BOTH {
        let mut shared = None;
        let here = TestServer::on_with(
            |_| {},
            |hub, dir| {
                std::fs::create_dir_all(dir).unwrap();
                let store = sqlite::Sqlite::open(dir, hub.clone(), &sqlite::Options::default()).unwrap();
                let way = Way::new(store, MANY);
                shared = Some(way.store.clone());
                way
            },
        )
        .await;
        let shared = shared.unwrap();
        let mut way = None;
        let there = TestServer::on_with(
            |_| {},
            |_, dir| {
                std::fs::create_dir_all(dir).unwrap();
                way.insert(Way::new(shared.clone(), MANY)).clone()
            },
        )
        .await;
        let way = way.unwrap();
        let ann = issued("ann", "acme", "ann-1");
        let mut client = open(&there.base(), kind, &ann, "phone").await;
        let mut bob = open(&there.base(), kind, &issued("bob", "acme", "bob-1"), "phone").await;
        // From now on each waits.
        way.readings.forget_permits(MANY);
        way.held.acquire().await.unwrap().forget();
        revoke(&here.base(), &admin("acme"), json!({ "client_id": "r", "token_id": "ann-1" })).await;
        is_in(&mut client).await;
        way.readings.add_permits(1);
        is_out(&mut client).await;
        is_in(&mut bob).await;
        is_refused(&there.base(), kind, &ann, "desk").await;
        way.readings.add_permits(MANY);
        drop((here, there));
        shared.close().await;
    }
}

/// Two servers share a database and nothing else. On the embedded store there is one, which tests nothing here.
#[tokio::test]
async fn another_process_learns_of_it_within_a_second() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (here, there) = (Process::start(dirs[0].path()).await, Process::start(dirs[1].path()).await);
    if store::variables().is_empty() {
        return println!("needs FANFARE_TEST_STORE=scylla");
    }
    let mut afters = Vec::new();
    for kind in BOTH {
        let mut clients = Vec::new();
        for n in 0..5 {
            let token = issued(&format!("u{n}"), "acme", &format!("u{n}-{kind:?}"));
            clients.push((open(&there.base, kind, &token, "phone").await, token));
        }
        for (n, (client, token)) in clients.iter_mut().enumerate() {
            let what = json!({ "client_id": format!("{kind:?}-{n}"), "token_id": format!("u{n}-{kind:?}") });
            revoke(&here.base, &admin("acme"), what).await;
            let stored = Instant::now();
            is_out(client).await;
            let after = stored.elapsed();
            println!("{kind:?}: closed by the other process {after:?} after it was stored");
            afters.push(after);
            is_refused(&there.base, kind, token, "phone").await;
        }
    }
    // Each reading of the log is half a second after the one before; the rest is for the machine, which others use as well.
    afters.sort();
    assert!(afters[afters.len() / 2] < Duration::from_secs(1), "{afters:?}");
    assert!(*afters.last().unwrap() < Duration::from_secs(10), "{afters:?}");
}
