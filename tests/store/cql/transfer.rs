//! A single machine's installation moves to a cluster, and back.

use std::sync::Arc;

use bytes::Bytes;
use fanfare::store::{
    From, Store,
    scylla::{Options, Scylla},
};
use fanfare_proto::{Seq, UnixMs};

use super::{
    Keyspace,
    interleavings::{append, topic},
};
use crate::{
    Deaf,
    transfer::{copied, fill, goes_on, sqlite},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sqlite_to_cql_and_back() {
    let Some(keyspace) = Keyspace::new() else { return };
    let (first, last) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, last) = (sqlite(first.path()), sqlite(last.path()));
    let cql = Scylla::open(keyspace.options(), Arc::new(Deaf)).unwrap();
    fill(&*first).await;
    copied(&*first, &*cql).await;
    copied(&*cql, &*last).await;
    goes_on(&*cql).await;
    goes_on(&*last).await;
    for store in [first, cql as Arc<dyn Store>, last] {
        store.close().await;
    }
    keyspace.drop().await;
}

/// A log that holds a request twice, as it came again more than a day later, comes over whole, to either kind of store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_a_request_that_is_there_twice_comes_over() {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    let (Some(from), Some(to)) = (Keyspace::new(), Keyspace::new()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let small = |keyspace: &Keyspace| Options { bucket_events: 3, ..keyspace.options() };
    let cql = Scylla::open(small(&from), Arc::new(Deaf)).unwrap();
    for n in 0..12 {
        let mut append = append(None, &format!("c{}", n % 6));
        append.events[0].at = UnixMs(n / 6 * 2 * DAY + n);
        assert!(!cql.append(append).await.unwrap().outcomes[0].duplicate);
    }
    for revision in 0..3 {
        cql.amend(&topic(), Seq(2), revision, "test:edited".to_owned(), Bytes::new()).await.unwrap();
    }
    let (sqlite, large) = (sqlite(dir.path()), Scylla::open(to.options(), Arc::new(Deaf)).unwrap());
    copied(&*cql, &*sqlite).await;
    copied(&*sqlite, &*large).await;
    for store in [sqlite, large as Arc<dyn Store>, cql] {
        let page = store.read(&topic(), From::After(Seq::ZERO), 100, usize::MAX).await.unwrap();
        assert_eq!((page.head.seq, page.events.len(), page.events[1].revision), (Seq(12), 12, 3));
        // A repetition finds the later one.
        let mut again = append(None, "c1");
        again.events[0].at = UnixMs(3 * DAY);
        let outcome = store.append(again).await.unwrap().outcomes[0];
        assert_eq!((outcome.seq, outcome.duplicate), (Seq(8), true));
        store.close().await;
    }
    from.drop().await;
    to.drop().await;
}
