//! Figures of the stores, as a table: SQLite, and the CQL database at `FANFARE_TEST_CQL` if one is named.
//! `tests/cassandra/with.sh cargo bench --bench store [-- directory]`

#![allow(clippy::unwrap_used)]

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ::scylla::client::session_builder::SessionBuilder;
use bytes::Bytes;
use fanfare::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, Committed, Event, FixClass, From, NewEvent, Store, StoredFix,
        scylla::{self, Scylla},
        sqlite::{Options, Sqlite},
    },
};
use fanfare_proto::{
    ClientId, Epoch, Fix, Motion, OrgId, Position, TopicKey, TopicKind, TopicName, UnixMs, UserId,
};

struct Deaf;

impl Committed for Deaf {
    fn committed(&self, _: &Topic, _: Epoch, _: &Audience, _: &[Event]) {}
}

fn topic(n: usize) -> Topic {
    let key = TopicKey::new(&format!("conversation-{n}")).unwrap();
    Topic {
        org: Tenant::stored(OrgId::new("organisation").unwrap()),
        name: TopicName { kind: TopicKind::Conversation, key },
    }
}

fn append(topic: &Topic, client: &str) -> Append {
    let event = NewEvent {
        author: UserId::new("user_2abcdefghijklmnopqrstuvwxyz").unwrap(),
        client_id: ClientId::new(client).unwrap(),
        at: UnixMs(1_800_000_000_000),
        name: "message:new".to_owned(),
        data: Bytes::from(format!("{{\"text\":\"{}\"}}", "x".repeat(180))),
        countable: true,
    };
    Append { topic: topic.clone(), expect: None, events: vec![event], audience: Audience::Organisation }
}

/// What is measured.
enum Backend {
    /// In a folder for each measurement.
    Sqlite(PathBuf),
    /// In a keyspace for each measurement.
    Cql(Vec<String>),
}

impl Backend {
    fn open(&self, name: &str) -> Opened {
        match self {
            Self::Sqlite(base) => {
                let sqlite = Sqlite::open(&base.join(name), Arc::new(Deaf), &Options::default()).unwrap();
                Opened { store: Arc::clone(&sqlite) as _, sqlite: Some(sqlite), keyspace: None }
            }
            Self::Cql(nodes) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
                let keyspace = format!("fanfare_bench_{now}");
                let options = scylla::Options {
                    nodes: nodes.clone(),
                    keyspace: keyspace.clone(),
                    create: Some("{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}".to_owned()),
                    ..scylla::Options::default()
                };
                let store = Scylla::open(options, Arc::new(Deaf)).unwrap();
                Opened { store, sqlite: None, keyspace: Some((nodes.clone(), keyspace)) }
            }
        }
    }
}

struct Opened {
    store: Arc<dyn Store>,
    /// The same, if that is what it is.
    sqlite: Option<Arc<Sqlite>>,
    /// Where it was made for this measurement.
    keyspace: Option<(Vec<String>, String)>,
}

impl Opened {
    /// Nothing is left on the database.
    async fn close(self) {
        self.store.close().await;
        if let Some((nodes, keyspace)) = self.keyspace {
            let session = SessionBuilder::new().known_nodes(nodes).build().await.unwrap();
            session.query_unpaged(format!("DROP KEYSPACE {keyspace}"), ()).await.unwrap();
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let base = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let base = base.map_or(dir.path().to_owned(), Into::into);
    measure("SQLite", &Backend::Sqlite(base)).await;
    match std::env::var("FANFARE_TEST_CQL") {
        Ok(nodes) => measure("CQL", &Backend::Cql(nodes.split(',').map(str::to_owned).collect())).await,
        Err(_) => println!("FANFARE_TEST_CQL is not set: no CQL database is measured"),
    }
}

async fn measure(which: &str, backend: &Backend) {
    println!("{which:<44} {:>10} {:>9} {:>9} {:>9}", "per second", "p50 ms", "p99 ms", "p99.9 ms");
    for (name, topics, tasks, each) in [
        ("append, 1 topic, 1 caller (idle)", 1, 1, 3_000),
        ("append, 1 topic, 100 callers", 1, 100, 500),
        ("append, 100 topics, 100 callers", 100, 100, 500),
        ("append, 1000 topics, 1000 callers", 1_000, 1_000, 50),
    ] {
        let opened = backend.open(name);
        let store = Arc::clone(&opened.store);
        let (elapsed, times) = callers(tasks, |task| {
            let (store, topic) = (Arc::clone(&store), topic(task % topics));
            async move {
                let mut times = Vec::new();
                for n in 0..each {
                    let append = append(&topic, &format!("{task:08}-{n:08}-client-id-36-characters"));
                    let start = Instant::now();
                    // Refused at a moment when the database does not answer: sent again, as clients do.
                    while store.append(append.clone()).await.is_err() {}
                    times.push(start.elapsed());
                }
                times
            }
        })
        .await;
        row(name, 1, elapsed, times);
        if let Some(sqlite) = &opened.sqlite {
            let (core, _) = sqlite.stats();
            println!("    {} writes in {} commits", core.writes, core.commits);
        }
        if topics == 100 {
            reads(&store).await;
        }
        opened.close().await;
    }
    fixes(backend).await;
}

async fn callers<F, Fut>(tasks: usize, work: F) -> (Duration, Vec<Duration>)
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Vec<Duration>> + Send + 'static,
{
    let start = Instant::now();
    let tasks: Vec<_> = (0..tasks).map(|task| tokio::spawn(work(task))).collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    (start.elapsed(), times)
}

async fn reads(store: &Arc<dyn Store>) {
    let (elapsed, times) = callers(8, |task| {
        let store = Arc::clone(store);
        async move {
            let mut times = Vec::new();
            for n in 0..500 {
                let start = Instant::now();
                let page =
                    store.read(&topic((task * 31 + n) % 100), From::Latest, 50, usize::MAX).await.unwrap();
                assert_eq!(page.events.len(), 50);
                times.push(start.elapsed());
            }
            times
        }
    })
    .await;
    row("read, 50 events, 8 callers", 1, elapsed, times);
    let topics: Vec<_> = (0..100).map(topic).collect();
    let (elapsed, times) = callers(1, |_| {
        let (store, topics) = (Arc::clone(store), topics.clone());
        async move {
            let mut times = Vec::new();
            for _ in 0..500 {
                let start = Instant::now();
                store.heads(&topics).await.unwrap();
                times.push(start.elapsed());
            }
            times
        }
    })
    .await;
    row("heads, of 100 topics", 1, elapsed, times);
}

/// 500 agents, as fast as it goes: batches of 500 fixes, one of each agent, a few in flight. A batch that is refused is
/// sent again, as the server does.
async fn fixes(backend: &Backend) {
    const AGENTS: u64 = 500;
    let each = match backend {
        Backend::Sqlite(_) => 500,
        Backend::Cql(_) => 50,
    };
    let opened = backend.open("fixes");
    let store = Arc::clone(&opened.store);
    let org = Tenant::stored(OrgId::new("organisation").unwrap());
    let agents: Arc<Vec<_>> =
        Arc::new((0..AGENTS).map(|n| UserId::new(&format!("agent-{n:06}")).unwrap()).collect());
    let (elapsed, times) = callers(4, |task| {
        let (store, org, agents) = (Arc::clone(&store), org.clone(), Arc::clone(&agents));
        async move {
            let mut times = Vec::new();
            for n in 0..each {
                let counter = n * 4 + task as u64;
                let time = UnixMs(1_800_000_000_000 + counter * 1_000);
                let fix = |agent: &UserId| StoredFix {
                    org: org.clone(),
                    agent: agent.clone(),
                    source: 7,
                    class: FixClass::Standard,
                    fix: Fix {
                        counter,
                        time,
                        position: Position::from_e7(525_200_000, 134_050_000).unwrap(),
                        motion: Motion::from_raw(Some(50), Some(1_000), Some(9_000), Some(80)).unwrap(),
                    },
                };
                let batch: Vec<_> = agents.iter().map(fix).collect();
                let start = Instant::now();
                while store.put_fixes(batch.clone()).await.is_err() {}
                times.push(start.elapsed());
            }
            times
        }
    })
    .await;
    row("fixes, batches of 500 agents, 4 callers", AGENTS, elapsed, times);
    if let Backend::Sqlite(base) = backend {
        let size = std::fs::metadata(base.join("fixes/ticks.db")).unwrap().len() as f64;
        println!("    {:.0} bytes a fix on disk", size / (AGENTS * each * 4) as f64);
    }
    let start = Instant::now();
    let track = store.track(&org, &agents[3], UnixMs(0)..=UnixMs(u64::MAX), None, usize::MAX).await.unwrap();
    println!("    a track of {} fixes in {:.1} ms", track.len(), start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let latest = store.latest(&org, UnixMs(0)).await.unwrap();
    println!("    the latest of {} agents in {:.1} ms", latest.len(), start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    store.expire_fixes(FixClass::Standard, UnixMs(u64::MAX)).await.unwrap();
    println!("    {} fixes expired in {:.0} ms", AGENTS * each * 4, start.elapsed().as_secs_f64() * 1e3);
    opened.close().await;
}

fn row(name: &str, items: u64, elapsed: Duration, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let rate = (times.len() as u64 * items) as f64 / elapsed.as_secs_f64();
    println!("{name:<44} {rate:>10.0} {:>9.2} {:>9.2} {:>9.2}", at(0.5), at(0.99), at(0.999));
}
