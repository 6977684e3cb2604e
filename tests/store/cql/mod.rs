//! The store on a CQL database: `FANFARE_TEST_CQL=host:port,…`, which `tests/cassandra/with.sh` sets for one of its own.
//! Without it these tests do nothing.

mod checker;
mod faults;
mod interleavings;
mod load;
mod logs;
mod reach;
mod schema;
mod stuck;
mod timers;
mod transfer;

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use fanfare::store::{
    Committed, Store, conformance,
    scylla::{Options, Scylla, Start},
};
use scylla::client::{session::Session, session_builder::SessionBuilder};

/// A keyspace for one test.
pub(crate) struct Keyspace {
    nodes: Vec<String>,
    name: String,
}

impl Keyspace {
    /// `None` where no database was named.
    pub(crate) fn new() -> Option<Self> {
        let Ok(nodes) = std::env::var("FANFARE_TEST_CQL") else {
            eprintln!("FANFARE_TEST_CQL is not set: nothing is tested");
            return None;
        };
        let name = format!("fanfare_test_{:016x}", RandomState::new().build_hasher().finish());
        Some(Self { nodes: nodes.split(',').map(str::to_owned).collect(), name })
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            nodes: self.nodes.clone(),
            keyspace: self.name.clone(),
            create: Some("{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}".to_owned()),
            start: Start::Exit,
            // Other tests keep the machine busy.
            data: Duration::from_secs(10),
            cas: Duration::from_secs(5),
            append: Duration::from_secs(30),
            ..Options::default()
        }
    }

    pub(crate) async fn session(&self) -> Session {
        SessionBuilder::new().known_nodes(&self.nodes).build().await.unwrap()
    }

    pub(crate) async fn drop(self) {
        let drop = format!("DROP KEYSPACE IF EXISTS {}", self.name);
        self.session().await.query_unpaged(drop, ()).await.unwrap();
    }
}

async fn conforms(sequences: u32, change: impl FnOnce(&mut Options)) {
    let Some(keyspace) = Keyspace::new() else { return };
    let mut options = keyspace.options();
    change(&mut options);
    conformance::all(sequences, move |committed: Arc<dyn Committed>| {
        let options = options.clone();
        async move { Scylla::open(options, committed).unwrap() as Arc<dyn Store> }
    })
    .await;
    keyspace.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_conforms() {
    conforms(10, |_| {}).await;
}

/// Logs move to another partition all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_conforms_with_small_buckets() {
    conforms(5, |options| options.bucket_events = 4).await;
}
