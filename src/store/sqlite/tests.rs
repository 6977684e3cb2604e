//! What is particular to this backend; what every backend must do is in the conformance suite.

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

use super::{Options, Sqlite, writer::Database};
use crate::{
    id::{Audience, Topic},
    store::{
        Append, Committed, Event, From, NewEvent, Put, RecordKind, Slot, Store, StoreError, StoredFix, Timer,
    },
};

#[derive(Default)]
struct Heard {
    seqs: Mutex<Vec<u64>>,
    panics: AtomicUsize,
}

impl Committed for Heard {
    fn committed(&self, _: &Topic, _: Epoch, _: &Audience, events: &[Event]) {
        self.seqs
            .lock()
            .unwrap()
            .extend(events.iter().map(|event| event.seq.0));
        if self.panics.load(Relaxed) > 0 {
            self.panics.fetch_sub(1, Relaxed);
            panic!("a hub with a bug (this panic belongs to a test)");
        }
    }
}

fn open(dir: &Path, options: &Options) -> (Arc<Sqlite>, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    (
        Sqlite::open(dir, Arc::<Heard>::clone(&heard), options).unwrap(),
        heard,
    )
}

fn topic(kind: TopicKind) -> Topic {
    Topic {
        org: OrgId::new("org").unwrap(),
        name: TopicName {
            kind,
            key: TopicKey::new("t").unwrap(),
        },
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
    Append {
        topic: topic(kind),
        expect: None,
        events: vec![event],
        audience: Audience::Organisation,
    }
}

async fn count(store: &Sqlite, kind: TopicKind) -> usize {
    let page = store
        .read(&topic(kind), From::After(Seq::ZERO), usize::MAX, usize::MAX)
        .await
        .unwrap();
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
    let (store, heard) = open(
        dir.path(),
        &Options {
            queue: 3,
            batch: 100,
            ..Options::default()
        },
    );
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
            queued(&store, async move {
                own.append(append(TopicKind::Conversation, n, 1)).await
            })
            .await,
        );
        let own = Arc::clone(&store);
        let poison = move |core: &mut super::Core| {
            core.connection()
                .execute("UPDATE topic SET head = head + 100", [])?;
            core.connection().execute("INSERT INTO nowhere VALUES (1)", [])?;
            Ok(())
        };
        let failed = queued(
            &store,
            async move { own.core.call(Lane::Ordered, 1, poison).await },
        )
        .await;
        let own = Arc::clone(&store);
        let conflict = Append {
            expect: Some(Seq(77)),
            ..append(TopicKind::Conversation, 50 + n, 1)
        };
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
            core.connection()
                .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
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
        store
            .append(append(TopicKind::Conversation, n, 3_000))
            .await
            .unwrap();
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
            queued(&store, async move {
                own.append(append(TopicKind::Conversation, n, 1)).await
            })
            .await,
        );
    }
    let closing = Arc::clone(&store);
    let closing = tokio::spawn(async move { closing.close().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!closing.is_finished());
    drop(release);
    closing.await.unwrap();
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(heard.seqs.lock().unwrap().len(), 50);
    let late = store.append(append(TopicKind::Conversation, 99, 1)).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))));
    assert_eq!(
        std::fs::metadata(dir.path().join("core.db-wal")).map_or(0, |file| file.len()),
        0
    );
    drop(store);
    assert_eq!(
        count(&open(dir.path(), &Options::default()).0, TopicKind::Conversation).await,
        50
    );
}

/// Who stops waiting has not stopped the write.
#[tokio::test]
async fn a_call_that_is_given_up_is_done_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let release = hold(&store).await;
    let own = Arc::clone(&store);
    let task = queued(&store, async move {
        own.append(append(TopicKind::Conversation, 1, 1)).await
    })
    .await;
    task.abort();
    assert!(task.await.is_err());
    drop(release);
    let again = store.append(append(TopicKind::Conversation, 1, 1)).await.unwrap();
    assert!(again.outcomes[0].duplicate);
}

#[tokio::test]
async fn repetitions_are_forgotten_a_day_after_their_limit() {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let rows = || {
        store.readers.call(Lane::Ordered, |db| {
            Ok(db.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?)
        })
    };
    for n in 0..600 {
        store.append(append(TopicKind::Conversation, n, 1)).await.unwrap();
    }
    let expire = |before| store.expire(TopicKind::Conversation, UnixMs(before));
    assert_eq!(expire(500).await, Ok(500));
    assert_eq!((count_from(&store, 501).await, rows().await), (100, Ok(600)));
    assert_eq!(expire(DAY + 300).await, Ok(100));
    assert_eq!(rows().await, Ok(300));
    let known = store
        .append(append(TopicKind::Conversation, 300, 1))
        .await
        .unwrap();
    assert!(known.outcomes[0].duplicate);
    assert_eq!(expire(2 * DAY).await, Ok(0));
    assert_eq!(rows().await, Ok(0));
    let forgotten = store
        .append(append(TopicKind::Conversation, 300, 1))
        .await
        .unwrap();
    assert_eq!(
        (forgotten.outcomes[0].seq, forgotten.outcomes[0].count),
        (Seq(601), 601)
    );
}

async fn count_from(store: &Sqlite, first: u64) -> usize {
    let page = store
        .read(
            &topic(TopicKind::Conversation),
            From::Latest,
            usize::MAX,
            usize::MAX,
        )
        .await
        .unwrap();
    assert_eq!(page.head.first, Seq(first));
    page.events.len()
}

#[tokio::test]
async fn an_expired_record_gives_its_space_back_but_keeps_its_version() {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let slot = |n: usize| Slot {
        org: OrgId::new("org").unwrap(),
        kind: RecordKind::Membership,
        partition: "p".to_owned(),
        key: n.to_string(),
    };
    for n in 0..600 {
        let put = Put {
            value: Some(Bytes::from_static(b"v")),
            expires: (n > 0).then_some(UnixMs(100)),
        };
        store.put(&slot(n), None, put, UnixMs(1)).await.unwrap();
    }
    let values = || {
        let sql = "SELECT count(value) FROM record";
        store
            .readers
            .call(Lane::Ordered, |db| Ok(db.query_row(sql, [], |row| row.get(0))?))
    };
    store.expire(TopicKind::Notice, UnixMs(DAY + 100)).await.unwrap();
    assert_eq!(values().await, Ok(600));
    store.expire(TopicKind::Notice, UnixMs(DAY + 101)).await.unwrap();
    assert_eq!(values().await, Ok(1));
    let put = Put {
        value: Some(Bytes::from_static(b"w")),
        expires: None,
    };
    assert_eq!(store.put(&slot(5), None, put, UnixMs(200)).await, Ok(2));
}

/// The log must not grow with what is written, only with what is written at once.
#[tokio::test]
async fn the_write_ahead_log_stays_short() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let wal = dir.path().join("core.db-wal");
    let length = || std::fs::metadata(&wal).map_or(0, |file| file.len());
    let mut longest = 0;
    for n in 0..400 {
        store
            .append(append(TopicKind::Conversation, n, 100_000))
            .await
            .unwrap();
        longest = longest.max(length());
    }
    assert!(longest < 24 << 20, "{longest} bytes after 40 MB");
    let mut patience = 100;
    while length() > 0 {
        patience -= 1;
        assert!(patience > 0, "still {} bytes at rest", length());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What the module promises of a power cut rests on these.
#[tokio::test]
async fn commits_are_synced_as_promised() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let setting =
        |db: &rusqlite::Connection, name| Ok(db.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?);
    let (full, normal) = (2, 1);
    let core = store
        .core
        .call(Lane::Ordered, 0, move |core| {
            setting(core.connection(), "synchronous")
        })
        .await;
    let ticks = store
        .ticks
        .call(Lane::Ordered, 0, move |ticks| {
            setting(ticks.connection(), "synchronous")
        })
        .await;
    assert_eq!((core, ticks), (Ok(full), Ok(normal)));
    let own = store
        .core
        .call(Lane::Ordered, 0, move |core| {
            setting(core.connection(), "wal_autocheckpoint")
        })
        .await;
    assert_eq!(own, Ok(0));
}

/// A clock or a device may say anything; what cannot be kept exactly is at least kept apart.
#[tokio::test]
async fn numbers_beyond_the_files_range_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let org = OrgId::new("org").unwrap();
    let agent = UserId::new("ann").unwrap();
    let position = fanfare_proto::Position::from_e7(0, 0).unwrap();
    let fix = |counter, time| {
        let fix = fanfare_proto::Fix {
            counter,
            time: UnixMs(time),
            position,
            motion: fanfare_proto::Motion::default(),
        };
        StoredFix {
            org: org.clone(),
            agent: agent.clone(),
            source: u32::MAX,
            fix,
        }
    };
    let fixes = vec![
        fix(1, 5),
        fix(u64::MAX, 5),
        fix(u64::MAX - 1, 5),
        fix(0, u64::MAX),
    ];
    store.put_fixes(fixes.clone()).await.unwrap();
    store.put_fixes(fixes).await.unwrap();
    let track = store
        .track(&org, &agent, UnixMs(0)..=UnixMs(u64::MAX), None, 10)
        .await
        .unwrap();
    assert_eq!(track.len(), 4);
    assert_eq!(store.expire_fixes(UnixMs(u64::MAX)).await, Ok(1));
    store
        .set_timer(Timer {
            key: "k".to_owned(),
            due: UnixMs(u64::MAX),
            data: Bytes::new(),
        })
        .await
        .unwrap();
    assert_eq!(
        store
            .due_timers(UnixMs(u64::MAX - 1), u64::MAX, usize::MAX)
            .await
            .unwrap()
            .len(),
        1
    );
    let beyond = store
        .append(Append {
            expect: Some(Seq(u64::MAX)),
            ..append(TopicKind::Notice, 1, 1)
        })
        .await;
    assert_eq!(beyond, Err(StoreError::Conflict { actual: 0 }));
}
