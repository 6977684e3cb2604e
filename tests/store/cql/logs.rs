//! What becomes of a log's partitions, seen from beside the store.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use fanfare::store::{
    From, Store, StoreError,
    scylla::{Options, Scylla},
};
use fanfare_proto::{Seq, TopicKind, UnixMs};

use super::{
    Keyspace,
    interleavings::{append, log, topic},
};
use crate::Deaf;

/// A head that has no event, as where the two are on different replicas: nobody is told to have what nobody can read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_a_head_is_told_with_its_event_only() {
    let Some(keyspace) = Keyspace::new() else { return };
    let store = Scylla::open(keyspace.options(), Arc::new(Deaf)).unwrap();
    for n in 1..=3 {
        store.append(append(None, &format!("c{n}"))).await.unwrap();
    }
    let session = keyspace.session().await;
    let ahead = format!(
        "UPDATE {}.log SET head = 4, total = 4 WHERE org = 'org' AND kind = 'conversation' AND key = 'c' AND bucket = 0",
        keyspace.name
    );
    session.query_unpaged(ahead, ()).await.unwrap();
    let head = store.heads(&[topic()]).await.unwrap()[0];
    assert_eq!((head.seq, head.count, head.first), (Seq(3), 3, Seq(1)));
    let page = store.read(&topic(), From::Latest, 2, usize::MAX).await.unwrap();
    assert_eq!((page.head, page.events.last().map(|event| event.seq)), (head, Some(Seq(3))));
    assert_eq!(log(&store).await.len(), 3);
    store.close().await;
    keyspace.drop().await;
}

/// What is left of a log in the database: rows of events and requests, the partitions that its directory names, and the
/// head that the store tells.
async fn left(keyspace: &Keyspace, store: &Scylla) -> (usize, usize, u64) {
    let session = keyspace.session().await;
    let count = async |cql: String| {
        let rows = session.query_unpaged(cql, ()).await.unwrap().into_rows_result().unwrap();
        rows.rows::<(Option<i64>,)>().unwrap().filter(|row| row.as_ref().unwrap().0.is_some()).count()
    };
    let rows = count(format!("SELECT seq FROM {}.log", keyspace.name)).await;
    let buckets = count(format!("SELECT start FROM {}.topic", keyspace.name)).await;
    (rows, buckets, store.heads(&[topic()]).await.unwrap()[0].seq.0)
}

/// A day after the last event of a bucket has expired, its partition is empty, also if the log is quiet since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_nothing_is_left_of_what_expired() {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    for bucket_events in [4, 30_000] {
        let Some(keyspace) = Keyspace::new() else { return };
        let options = Options { bucket_events, ..keyspace.options() };
        let store = Scylla::open(options, Arc::new(Deaf)).unwrap();
        let at = |at: u64, client: &str| {
            let mut append = append(None, client);
            append.events[0].at = UnixMs(at);
            append
        };
        for n in 1..=10 {
            store.append(at(n, &format!("c{n}"))).await.unwrap();
        }
        let buckets = if bucket_events == 4 { 3 } else { 1 };
        assert_eq!(left(&keyspace, &store).await, (20, buckets, 10));
        let expire = async |before| store.expire(TopicKind::Conversation, UnixMs(before)).await.unwrap();
        assert_eq!(expire(100).await, 10);
        // The requests.
        assert_eq!(left(&keyspace, &store).await, (10, buckets, 10));
        assert!(store.append(at(DAY, "c1")).await.unwrap().outcomes[0].duplicate);
        assert_eq!(expire(DAY + 10).await, 0);
        assert!(left(&keyspace, &store).await.0 > 0);
        assert_eq!(expire(DAY + 11).await, 0);
        assert_eq!(left(&keyspace, &store).await, (0, 1, 10));
        assert_eq!(expire(DAY + 12).await, 0);
        assert_eq!(left(&keyspace, &store).await, (0, 1, 10));
        let again = store.append(at(2 * DAY, "c1")).await.unwrap().outcomes[0];
        assert_eq!((again.seq, again.duplicate), (Seq(11), false));
        assert_eq!(left(&keyspace, &store).await, (2, 1, 11));
        store.close().await;
        keyspace.drop().await;
    }
}

/// The oldest position is moved and nobody knows, or what moved it ends there: what lies before it goes nevertheless, with
/// its words, while the log goes on in the same partition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_expiry_that_was_cut_off_is_finished() {
    let Some(keyspace) = Keyspace::new() else { return };
    let options = keyspace.options();
    let lose = Arc::clone(&options.lose);
    let impatient = Options { append: Duration::from_millis(100), ..options.clone() };
    let [store, impatient] = [options, impatient].map(|o| Scylla::open(o, Arc::new(Deaf)).unwrap());
    for n in 1..=6 {
        let mut append = append(None, &format!("c{n}"));
        append.events[0].at = UnixMs(n);
        store.append(append).await.unwrap();
        store.index_text(&topic(), Seq(n), "alarm").await.unwrap();
    }
    let session = keyspace.session().await;
    let positions = async || {
        let select = "SELECT seq FROM {}.log WHERE seq > 0 ALLOW FILTERING";
        let mut all = Vec::new();
        for select in [select, "SELECT seq FROM {}.text_doc", "SELECT seq FROM {}.text_term"] {
            let rows = session.query_unpaged(select.replace("{}", &keyspace.name), ()).await.unwrap();
            let rows = rows.into_rows_result().unwrap();
            let mut seqs: Vec<_> = rows.rows::<(i64,)>().unwrap().map(|row| row.unwrap().0).collect();
            seqs.sort_unstable();
            all.push(seqs);
        }
        all
    };
    // The answer is lost.
    lose.store(1, Ordering::Relaxed);
    assert_eq!(store.expire(TopicKind::Conversation, UnixMs(3)).await, Ok(2));
    assert_eq!(positions().await, [[3, 4, 5, 6]; 3]);
    // Every answer is, until it is given up, and what is due next is due later.
    lose.store(u32::MAX, Ordering::Relaxed);
    let cut_off = impatient.expire(TopicKind::Conversation, UnixMs(5)).await;
    assert!(matches!(cut_off, Err(StoreError::Unavailable(_))), "{cut_off:?}");
    lose.store(0, Ordering::Relaxed);
    assert_eq!(store.heads(&[topic()]).await.unwrap()[0].first, Seq(5));
    assert_eq!(positions().await[0], [3, 4, 5, 6]);
    assert_eq!(store.expire(TopicKind::Conversation, UnixMs(5)).await, Ok(0));
    assert_eq!(positions().await, [[5, 6]; 3]);
    for store in [store, impatient] {
        store.close().await;
    }
    keyspace.drop().await;
}

/// What amendments add counts towards the size of a bucket, wherever they are made; there is an end to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_amendments_fill_a_bucket() {
    let Some(keyspace) = Keyspace::new() else { return };
    let options = Options { bucket_bytes: 1 << 16, ..keyspace.options() };
    let open = || Scylla::open(options.clone(), Arc::new(Deaf)).unwrap();
    let (store, other) = (open(), open());
    for n in 1..=3 {
        store.append(append(None, &format!("c{n}"))).await.unwrap();
    }
    let amend = async |store: &Scylla, seq, revision, bytes| {
        let data = Bytes::from(vec![b' '; bytes]);
        store.amend(&topic(), Seq(seq), revision, "test:edited".to_owned(), data).await
    };
    assert_eq!(amend(&store, 1, 0, 60_000).await, Ok(1));
    // What gets smaller makes room again.
    assert_eq!(amend(&store, 1, 1, 30_000).await, Ok(2));
    assert_eq!(amend(&store, 2, 0, 30_000).await, Ok(1));
    store.append(append(None, "c4")).await.unwrap();
    assert_eq!(left(&keyspace, &store).await.1, 1);
    // Full, as this node knows at once, and the other one when it looks.
    assert_eq!(amend(&store, 3, 0, 10_000).await, Ok(1));
    store.append(append(None, "c5")).await.unwrap();
    assert_eq!(left(&keyspace, &store).await.1, 2);
    other.append(append(None, "c6")).await.unwrap();
    assert_eq!(left(&keyspace, &store).await.1, 2);
    // A bucket that is over grows no further than to twice its size.
    assert_eq!(amend(&other, 4, 0, 50_000).await, Ok(1));
    assert_eq!(amend(&other, 1, 2, 60_000).await, Err(StoreError::TooLarge));
    assert_eq!(amend(&other, 1, 2, 20_000).await, Ok(3));
    assert_eq!(log(&store).await.len(), 6);
    for store in [store, other] {
        store.close().await;
    }
    keyspace.drop().await;
}
