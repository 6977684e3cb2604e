//! The database is stopped, killed and comes back, under load: nothing acknowledged is lost, doubled or out of order.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fanfare::{
    id::{Tenant, Topic},
    store::{
        Committed, Store, StoreError,
        scylla::{Options, Scylla, Start},
    },
};
use fanfare_proto::{OrgId, TopicKey, TopicKind, TopicName};
use scylla::client::session_builder::SessionBuilder;

use super::{checker::Verdict, load::Load};
use crate::{Deaf, node::Cassandra};

/// Kills, and seconds over which they are spread; `make soak` sets more.
const KILLS: &str = "FANFARE_TEST_KILLS";
const SECONDS: &str = "FANFARE_TEST_SECONDS";

/// The database is back, and so are we.
const BACK: Duration = Duration::from_secs(5);

fn options(cassandra: &Cassandra, copies: usize) -> Options {
    let replication = format!("{{'class': 'NetworkTopologyStrategy', 'replication_factor': {copies}}}");
    let nodes = cassandra.addresses();
    // Logs move to other partitions meanwhile.
    Options { nodes, create: Some(replication), start: Start::Exit, bucket_events: 100, ..Options::default() }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the machine for itself: `make test` runs it alone"]
async fn cql_the_only_node_is_stopped_and_killed() {
    let Some(mut cassandra) = Cassandra::start(1) else { return };
    let (kills, seconds) = (number(KILLS, 1), number(SECONDS, 0));
    let heard = Arc::default();
    let store = Scylla::open(options(&cassandra, 1), Arc::clone(&heard) as _).unwrap();
    let load = Load::start(Arc::clone(&store), heard);
    load.some(200).await;
    // Somebody migrates to another retention: who is running goes on, also on sessions that it opens later.
    let changed = Options { fix_days: 60, ..options(&cassandra, 1) };
    let migrated = tokio::task::spawn_blocking(move || Scylla::migrate(changed)).await.unwrap();
    assert!(migrated.is_ok(), "{migrated:?}");
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    for kill in 1..=kills {
        cassandra.pause(0);
        load.until_refused(10).await;
        cassandra.resume(0);
        slowest = slowest.max(load.next().await);
        load.some(200).await;

        cassandra.kill(0);
        load.until_refused(10).await;
        cassandra.begin(0);
        slowest = slowest.max(load.next().await);
        load.some(200).await;
        println!("figure: {kill} stops and kills; back {slowest:?} after the database at the latest");
        while start.elapsed().as_secs() < seconds * kill / kills {
            load.next().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let verdict = load.finish(&format!("{kills} stops and {kills} kills of the only node")).await;
    assert_eq!(verdict, Verdict::default());
    assert!(slowest < BACK, "back only {slowest:?} after the database");
    store.close().await;
    another_database_is_refused(&cassandra).await;
}

/// After trouble there is another database, or an empty one, on connections that still work: its logs are not taken for
/// those that devices have cursors of.
async fn another_database_is_refused(cassandra: &Cassandra) {
    // Trouble is soon noticed.
    let options = Options { start: Start::Retry, data: Duration::from_millis(500), ..options(cassandra, 1) };
    let store = Scylla::open(options, Arc::new(Deaf)).unwrap();
    let name = TopicName { kind: TopicKind::Conversation, key: TopicKey::new("t0").unwrap() };
    let topics = [Topic { org: Tenant::stored(OrgId::new("org").unwrap()), name }];
    let heads = || store.heads(&topics);
    let session = SessionBuilder::new().known_nodes(cassandra.addresses()).build().await.unwrap();
    let cql = async |cql: &str| loop {
        match session.query_unpaged(cql, ()).await {
            Ok(result) => break result,
            Err(error) => eprintln!("not yet: {error}"),
        }
    };
    let gone = "DELETE FROM fanfare.meta WHERE name = 'epoch' IF EXISTS";
    for other in ["UPDATE fanfare.meta SET value = 7 WHERE name = 'epoch' IF EXISTS", gone] {
        while heads().await.is_err() {}
        cql(other).await;
        cassandra.pause(0);
        // Which is told once it is known.
        while heads().await != Err(StoreError::Unavailable("the database does not answer".to_owned())) {}
        cassandra.resume(0);
        let select = "SELECT value FROM fanfare.meta WHERE name = 'epoch'";
        let there =
            async || cql(select).await.into_rows_result().unwrap().maybe_first_row::<(i64,)>().unwrap();
        let before = there().await;
        for _ in 0..75 {
            assert!(matches!(heads().await, Err(StoreError::Unavailable(_))), "{other}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(there().await, before);
        cql(gone).await;
        let (insert, epoch) = ("INSERT INTO fanfare.meta (name, value) VALUES ('epoch',", store.epoch().0);
        cql(&format!("{insert} {epoch}) IF NOT EXISTS")).await;
    }
    while heads().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.close().await;
}

/// A cluster that has just begun does not agree at once on what is made in it: an operator would try again, too.
async fn opened(cassandra: &Cassandra, heard: &Arc<dyn Committed>) -> Arc<Scylla> {
    for _ in 0..60 {
        match Scylla::open(options(cassandra, 3), Arc::clone(heard)) {
            Ok(store) => return store,
            Err(error) => eprintln!("not yet: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the cluster never agreed");
}

/// Three nodes, three copies: one may be away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: `make soak` runs it"]
async fn cql_one_node_of_three_may_be_away() {
    let Some(mut cassandra) = Cassandra::start(3) else { return };
    let heard: Arc<_> = Arc::default();
    let store = opened(&cassandra, &(Arc::clone(&heard) as _)).await;
    let load = Load::start(Arc::clone(&store), heard);
    let some = Duration::from_secs(3);
    load.next().await;
    tokio::time::sleep(some).await;
    cassandra.kill(1);
    tokio::time::sleep(some).await;
    cassandra.begin(1);
    tokio::time::sleep(some).await;
    cassandra.pause(2);
    tokio::time::sleep(some).await;
    cassandra.resume(2);
    tokio::time::sleep(some).await;
    let standstill = load.standstill();
    println!("figure: longest standstill with one node of three away: {standstill:?}");

    cassandra.kill(0);
    cassandra.pause(1);
    load.until_refused(10).await;
    cassandra.resume(1);
    let back = load.next().await;
    println!("figure: two away: UNAVAILABLE; back {back:?} after the second node");
    cassandra.begin(0);
    load.next().await;
    let verdict = load.finish("one node of three killed, another stopped, then two away").await;
    assert_eq!(verdict, Verdict::default());
    assert!(standstill < Duration::from_secs(2), "{standstill:?}");
    store.close().await;
}
