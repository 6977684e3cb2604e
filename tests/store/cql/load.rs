//! Chat and fixes against a store, with everything noted that was answered and published.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use fanfare::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, Committed, Event, FixClass, From, NewEvent, Store, StoreError, StoredFix, scylla::Scylla,
    },
};
use fanfare_proto::{
    ClientId, Epoch, Fix, Motion, OrgId, Position, Seq, TopicKey, TopicKind, TopicName, UnixMs, UserId,
};
use tokio::{task::JoinHandle, time::sleep};

use super::checker::{Log, Request, Verdict, check};

const TOPICS: usize = 4;
const WRITERS: usize = 8;

/// Runs until [`Load::finish`].
pub(super) struct Load {
    store: Arc<Scylla>,
    heard: Arc<Heard>,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    begun: Instant,
    ended: AtomicBool,
    acknowledged: Mutex<Vec<Log>>,
    /// When appends were acknowledged.
    times: Mutex<Vec<Instant>>,
    refused: AtomicU64,
    /// The longest that an append took to be answered, whatever the answer, in milliseconds.
    slowest: AtomicU64,
    fixes: AtomicU64,
}

/// What was published.
pub(super) struct Heard(Mutex<Vec<Log>>);

impl Default for Heard {
    fn default() -> Self {
        Self(Mutex::new(vec![Log::new(); TOPICS]))
    }
}

impl Committed for Heard {
    fn committed(&self, of: &Topic, _: Epoch, _: &Audience, events: &[Event]) {
        let n = (0..TOPICS).find(|n| topic(*n) == *of).unwrap();
        self.0.lock().unwrap()[n].extend(events.iter().map(read));
    }
}

fn topic(n: usize) -> Topic {
    let key = TopicKey::new(&format!("t{n}")).unwrap();
    Topic {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        name: TopicName { kind: TopicKind::Conversation, key },
    }
}

fn append(n: usize, (writer, request): Request) -> Append {
    let event = NewEvent {
        author: UserId::new("ann").unwrap(),
        client_id: ClientId::new(&format!("{writer}-{request}")).unwrap(),
        at: UnixMs(1),
        name: "test:event".to_owned(),
        data: Bytes::from_static(b"{\"text\":\"of some length, as texts have\"}"),
        countable: true,
    };
    Append { topic: topic(n), expect: None, events: vec![event], audience: Audience::Organisation }
}

fn read(event: &Event) -> (u64, Request) {
    let (writer, request) = event.client_id.as_str().split_once('-').unwrap();
    (event.seq.0, (writer.parse().unwrap(), request.parse().unwrap()))
}

impl Load {
    pub(super) fn start(store: Arc<Scylla>, heard: Arc<Heard>) -> Self {
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            ended: AtomicBool::new(false),
            acknowledged: Mutex::new(vec![Log::new(); TOPICS]),
            times: Mutex::default(),
            refused: AtomicU64::new(0),
            slowest: AtomicU64::new(0),
            fixes: AtomicU64::new(0),
        });
        let writers = (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), shared.clone(), writer)));
        let mut tasks: Vec<_> = writers.collect();
        tasks.push(tokio::spawn(record(store.clone(), shared.clone())));
        Self { store, heard, shared, tasks }
    }

    /// Waits until an append is acknowledged that was begun after this call. Answers how long that took.
    pub(super) async fn next(&self) -> Duration {
        let start = Instant::now();
        let acknowledged = || self.shared.times.lock().unwrap().last().is_some_and(|at| *at > start);
        while !acknowledged() {
            assert!(start.elapsed() < Duration::from_mins(1), "no append is acknowledged any more");
            sleep(Duration::from_millis(5)).await;
        }
        start.elapsed()
    }

    /// Waits until so many more appends are acknowledged.
    pub(super) async fn some(&self, more: usize) {
        let (start, acknowledged) = (Instant::now(), || self.shared.times.lock().unwrap().len());
        let enough = acknowledged() + more;
        while acknowledged() < enough {
            assert!(start.elapsed() < Duration::from_mins(1), "no append is acknowledged any more");
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Waits until so many more appends were refused as unavailable.
    pub(super) async fn until_refused(&self, more: u64) {
        let (start, before) = (Instant::now(), self.refused());
        while self.refused() < before + more {
            assert!(start.elapsed() < Duration::from_secs(30), "nobody was told that it is unavailable");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The longest time without an acknowledged append.
    pub(super) fn standstill(&self) -> Duration {
        let times = self.shared.times.lock().unwrap();
        let all: Vec<_> = std::iter::once(&self.shared.begun).chain(times.iter()).collect();
        all.windows(2).map(|pair| pair[1].duration_since(*pair[0])).max().unwrap_or_default()
    }

    /// Ends the load, compares everything, and prints what it came to.
    pub(super) async fn finish(self, what: &str) -> Verdict {
        self.shared.ended.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let shared = self.shared;
        let acknowledged = std::mem::take(&mut *shared.acknowledged.lock().unwrap());
        let published = std::mem::take(&mut *self.heard.0.lock().unwrap());
        let mut topics = Vec::new();
        let mut stored = 0;
        for (n, (acknowledged, published)) in acknowledged.into_iter().zip(published).enumerate() {
            let log: Log = whole(&self.store, n).await.iter().map(read).collect();
            stored += log.len();
            let differ: Vec<_> = log.iter().zip(&published).filter(|(a, b)| a != b).take(5).collect();
            let (lengths, same) = ((log.len(), published.len()), log == published);
            assert!(same, "topic {n}: stored and published {lengths:?} differ, first {differ:?}");
            topics.push((acknowledged, log));
        }
        let fixes = shared.fixes.load(Ordering::Relaxed);
        let (org, agent) = (Tenant::stored(OrgId::new("org").unwrap()), UserId::new("agent").unwrap());
        let track =
            self.store.track(&org, &agent, UnixMs(0)..=UnixMs(u64::MAX), None, usize::MAX).await.unwrap();
        assert!(track.len() as u64 >= fixes, "{} of {fixes} acknowledged fixes", track.len());
        let events: usize = topics.iter().map(|(acknowledged, _)| acknowledged.len()).sum();
        let verdict = check(&topics);
        println!(
            "figure: {what}: {events} events acknowledged, {stored} stored, {} answers UNAVAILABLE, slowest answer {} ms, \
             {fixes} fixes acknowledged; {} lost, {} duplicates, {} order violations",
            shared.refused.load(Ordering::Relaxed),
            shared.slowest.load(Ordering::Relaxed),
            verdict.lost,
            verdict.duplicates,
            verdict.disorder,
        );
        assert!(events > 100, "too little to show anything");
        verdict
    }
}

async fn whole(store: &Scylla, n: usize) -> Vec<Event> {
    store.read(&topic(n), From::After(Seq::ZERO), usize::MAX, usize::MAX).await.unwrap().events
}

/// One request after another, each until it is acknowledged.
async fn write(store: Arc<Scylla>, shared: Arc<Shared>, writer: usize) {
    for request in 0.. {
        let n = (writer + request) % TOPICS;
        loop {
            let start = Instant::now();
            let answer = store.append(append(n, (writer, request))).await;
            let took = start.elapsed().as_millis() as u64;
            shared.slowest.fetch_max(took, Ordering::Relaxed);
            match answer {
                Ok(appended) => {
                    shared.times.lock().unwrap().push(Instant::now());
                    let seq = appended.outcomes[0].seq.0;
                    shared.acknowledged.lock().unwrap()[n].push((seq, (writer, request)));
                    break;
                }
                Err(StoreError::Unavailable(_)) => {
                    shared.refused.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        // As people write, not as fast as it goes: the faults are what matters.
        sleep(Duration::from_millis(10)).await;
    }
}

/// Fixes in batches, each until it is stored.
async fn record(store: Arc<Scylla>, shared: Arc<Shared>) {
    for batch in 0.. {
        let fixes: Vec<_> = (batch * 20..batch * 20 + 20).map(fix).collect();
        while store.put_fixes(fixes.clone()).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        shared.fixes.fetch_add(20, Ordering::Relaxed);
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn fix(counter: u64) -> StoredFix {
    let fix = Fix {
        counter,
        time: UnixMs(counter * 1_000),
        position: Position::from_e7(1, 2).unwrap(),
        motion: Motion::default(),
    };
    let (org, agent) = (Tenant::stored(OrgId::new("org").unwrap()), UserId::new("agent").unwrap());
    StoredFix { org, agent, source: 1, class: FixClass::Standard, fix }
}
