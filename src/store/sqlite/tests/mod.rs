//! What is particular to this backend; what every backend must do is in the conformance suite.

mod damaged;
mod keeping;
mod lost;
mod steps;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use bytes::Bytes;
use fanfare_proto::{ClientId, Epoch, Lane, OrgId, Seq, TopicKey, TopicKind, TopicName, UnixMs, UserId};

use super::{Options, Sqlite, file, schema, writer::Database};
use crate::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, Committed, Event, FixClass, From, NewEvent, Put, RecordKind, Slot, Store, StoreError,
        StoredFix, Timer,
    },
};

#[derive(Default)]
struct Heard {
    seqs: Mutex<Vec<u64>>,
    panics: AtomicUsize,
}

impl Committed for Heard {
    fn committed(&self, _: &Topic, _: Epoch, _: &Audience, events: &[Event]) {
        self.seqs.lock().unwrap().extend(events.iter().map(|event| event.seq.0));
        if self.panics.load(Relaxed) > 0 {
            self.panics.fetch_sub(1, Relaxed);
            panic!("a hub with a bug (this panic belongs to a test)");
        }
    }
}

fn open(dir: &Path, options: &Options) -> (Arc<Sqlite>, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (Sqlite::open(dir, Arc::<Heard>::clone(&heard), options).unwrap(), heard)
}

fn topic(kind: TopicKind) -> Topic {
    Topic {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        name: TopicName { kind, key: TopicKey::new("t").unwrap() },
    }
}

fn append(kind: TopicKind, n: u64, size: usize) -> Append {
    let event = NewEvent {
        author: UserId::new("ann").unwrap(),
        client_id: ClientId::new(&format!("c{n}")).unwrap(),
        at: UnixMs(n),
        name: "test:event".to_owned(),
        data: Bytes::from(vec![b'x'; size]),
        countable: true,
    };
    Append { topic: topic(kind), expect: None, events: vec![event], audience: Audience::Organisation }
}

async fn count(store: &Sqlite, kind: TopicKind) -> usize {
    let page = store.read(&topic(kind), From::After(Seq::ZERO), usize::MAX, usize::MAX).await.unwrap();
    assert_eq!(page.head.seq.0, page.events.len() as u64);
    page.events.len()
}

/// Keeps the writer of `core.db` busy until the sender is dropped. Returns once it is.
async fn hold(store: &Arc<Sqlite>) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let store = Arc::clone(store);
    tokio::spawn(async move {
        let hold = move |_: &mut _| {
            begun.send(()).unwrap();
            let _ = held.recv();
            Ok(())
        };
        store.core.call(Lane::Urgent, 0, hold).await
    });
    begins.await.unwrap();
    release
}

/// Starts a call, and waits until it is in the queue.
async fn queued<T: Send + 'static>(
    store: &Arc<Sqlite>,
    call: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let before = store.core.waiting();
    let task = tokio::spawn(call);
    while store.core.waiting() == before {
        tokio::task::yield_now().await;
    }
    task
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_but_has_room_for_what_is_urgent() {
    let dir = tempfile::tempdir().unwrap();
    let (store, heard) = open(dir.path(), &Options { queue: 3, batch: 100, ..Options::default() });
    let release = hold(&store).await;
    let mut tasks = Vec::new();
    for n in 0..3 {
        let own = Arc::clone(&store);
        let call = async move { own.append(append(TopicKind::Conversation, n, 1)).await };
        tasks.push(queued(&store, call).await);
    }
    let refused = store.append(append(TopicKind::Conversation, 9, 1)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.stats().0.refused, 1);
    let own = Arc::clone(&store);
    let call = async move {
        for n in 0..10 {
            own.append(append(TopicKind::UrgentNotice, n, 1)).await?;
        }
        own.append(append(TopicKind::UrgentNotice, 99, 1)).await
    };
    tasks.push(queued(&store, call).await);
    drop(release);
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    // The urgent one overtook: all three ordinary ones came after its first.
    let heard = heard.seqs.lock().unwrap();
    assert_eq!(heard[..4], [1, 1, 2, 3]);
    assert_eq!(store.stats().0.waiting, 0);
}

#[tokio::test]
async fn one_failing_request_undoes_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (store, heard) = open(dir.path(), &Options::default());
    let release = hold(&store).await;
    let mut tasks = Vec::new();
    for n in 0..3 {
        let own = Arc::clone(&store);
        tasks.push(
            queued(&store, async move { own.append(append(TopicKind::Conversation, n, 1)).await }).await,
        );
        let own = Arc::clone(&store);
        let poison = move |core: &mut super::Core| {
            core.connection().execute("UPDATE topic SET head = head + 100", [])?;
            core.connection().execute("INSERT INTO nowhere VALUES (1)", [])?;
            Ok(())
        };
        let failed = queued(&store, async move { own.core.call(Lane::Ordered, 1, poison).await }).await;
        let own = Arc::clone(&store);
        let conflict = Append { expect: Some(Seq(77)), ..append(TopicKind::Conversation, 50 + n, 1) };
        let lost = queued(&store, async move { own.append(conflict).await }).await;
        tasks.push(tokio::spawn(async move {
            assert!(matches!(failed.await.unwrap(), Err(StoreError::Unavailable(_))));
            assert_eq!(lost.await.unwrap(), Err(StoreError::Conflict { actual: n + 1 }));
            Err(StoreError::NotFound)
        }));
    }
    drop(release);
    let mut stored = 0;
    for task in tasks {
        stored += usize::from(task.await.unwrap().is_ok());
    }
    assert_eq!((stored, count(&store, TopicKind::Conversation).await), (3, 3));
    assert_eq!(*heard.seqs.lock().unwrap(), [1, 2, 3]);
    let stats = store.stats().0;
    assert_eq!(
        (stats.commits, stats.writes, stats.failed),
        (2, 10, 0),
        "they were one batch after the first"
    );
}

/// A database that may not grow stands for a full disk.
#[tokio::test]
async fn a_batch_that_cannot_be_stored_is_not_published_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let (store, heard) = open(dir.path(), &Options::default());
    let grow = |pages: u32| {
        let set = move |core: &mut super::Core| {
            core.connection().query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
            Ok(())
        };
        store.core.call(Lane::Ordered, 0, set)
    };
    grow(80).await.unwrap();
    let mut stored = 0;
    for n in 0..200 {
        match store.append(append(TopicKind::Conversation, n, 3_000)).await {
            Ok(appended) => {
                stored += 1;
                assert_eq!(appended.outcomes[0].seq, Seq(stored));
            }
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    }
    assert!(stored > 5 && stored < 100, "{stored} stored");
    assert_eq!(count(&store, TopicKind::Conversation).await as u64, stored);
    assert_eq!(*heard.seqs.lock().unwrap(), (1..=stored).collect::<Vec<_>>());
    grow(1_000_000).await.unwrap();
    for n in 0..200 {
        store.append(append(TopicKind::Conversation, n, 3_000)).await.unwrap();
    }
    assert_eq!(count(&store, TopicKind::Conversation).await, 200);
    assert_eq!(*heard.seqs.lock().unwrap(), (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_hub_that_panics_does_not_stop_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let (store, heard) = open(dir.path(), &Options::default());
    heard.panics.store(1, Relaxed);
    for n in 0..3 {
        store.append(append(TopicKind::Conversation, n, 1)).await.unwrap();
    }
    assert_eq!(*heard.seqs.lock().unwrap(), [1, 2, 3]);
    assert_eq!(count(&store, TopicKind::Conversation).await, 3);
}

#[tokio::test]
async fn closing_stores_what_was_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let (store, heard) = open(dir.path(), &Options::default());
    let release = hold(&store).await;
    let mut tasks = Vec::new();
    for n in 0..50 {
        let own = Arc::clone(&store);
        tasks.push(
            queued(&store, async move { own.append(append(TopicKind::Conversation, n, 1)).await }).await,
        );
    }
    let mut closing = store.close();
    // It has begun now: nothing more is taken.
    assert!(futures::poll!(&mut closing).is_pending(), "what was accepted is not done yet");
    drop(release);
    closing.await;
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(heard.seqs.lock().unwrap().len(), 50);
    let late = store.append(append(TopicKind::Conversation, 99, 1)).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))));
    assert_eq!(std::fs::metadata(dir.path().join("core.db-wal")).map_or(0, |file| file.len()), 0);
    drop(store);
    assert_eq!(count(&open(dir.path(), &Options::default()).0, TopicKind::Conversation).await, 50);
}

/// Who stops waiting has not stopped the write.
#[tokio::test]
async fn a_call_that_is_given_up_is_done_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let release = hold(&store).await;
    let own = Arc::clone(&store);
    let task = queued(&store, async move { own.append(append(TopicKind::Conversation, 1, 1)).await }).await;
    task.abort();
    assert!(task.await.is_err());
    drop(release);
    let again = store.append(append(TopicKind::Conversation, 1, 1)).await.unwrap();
    assert!(again.outcomes[0].duplicate);
}
