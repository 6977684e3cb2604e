//! The store that the tests' servers run on: SQLite in a folder of the test's, or, with `FANFARE_TEST_STORE=scylla`, the
//! database at `FANFARE_TEST_CQL`. There all tests of a run share one keyspace, so organisations get a name of their own
//! for each test, and tests, as they move their clocks, must run one after another (`--test-threads=1`). The keyspace goes
//! with the run, however that ends.

use std::{
    cell::Cell,
    env,
    io::Read,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use fanfare::config::{Config, StoreKind};
use scylla::client::session_builder::SessionBuilder;

thread_local! {
    /// Which test of the run this thread's is; 0 where each has a store of its own.
    static TEST: Cell<u64> = const { Cell::new(0) };
}

/// What a new test's server is to be told, as variables.
pub fn variables() -> Vec<(&'static str, String)> {
    static TESTS: AtomicU64 = AtomicU64::new(1);
    static KEYSPACE: OnceLock<String> = OnceLock::new();
    if !is_shared() {
        return Vec::new();
    }
    let nodes = env::var("FANFARE_TEST_CQL").expect("FANFARE_TEST_CQL names a database");
    let unique = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let name = format!("fanfare_front_{}", now.as_nanos());
        drop_in_the_end(&name);
        name
    };
    TEST.set(TESTS.fetch_add(1, Ordering::Relaxed));
    vec![
        ("FANFARE_STORE__KIND", "scylla".to_owned()),
        ("FANFARE_STORE__SCYLLA__NODES", nodes),
        ("FANFARE_STORE__SCYLLA__KEYSPACE", KEYSPACE.get_or_init(unique).clone()),
        ("FANFARE_STORE__SCYLLA__CREATE", "true".to_owned()),
        // Logs are long enough to move between partitions.
        ("FANFARE_STORE__SCYLLA__BUCKET_EVENTS", "7".to_owned()),
        // Whatever else keeps the machine busy.
        ("FANFARE_STORE__SCYLLA__DATA_TIMEOUT_MS", "10000".to_owned()),
        ("FANFARE_STORE__SCYLLA__TICKS_TIMEOUT_MS", "10000".to_owned()),
        ("FANFARE_STORE__SCYLLA__CAS_TIMEOUT_MS", "5000".to_owned()),
        ("FANFARE_STORE__SCYLLA__APPEND_TIMEOUT_MS", "30000".to_owned()),
    ]
}

/// Whether several servers can have one store.
pub fn is_shared() -> bool {
    env::var("FANFARE_TEST_STORE").as_deref() == Ok("scylla")
}

/// The same in a configuration.
pub fn choose(config: &mut Config) {
    for (name, value) in variables() {
        let scylla = &mut config.store.scylla;
        match name {
            "FANFARE_STORE__KIND" => config.store.kind = StoreKind::Scylla,
            "FANFARE_STORE__SCYLLA__NODES" => scylla.nodes = value.split(',').map(str::to_owned).collect(),
            "FANFARE_STORE__SCYLLA__KEYSPACE" => scylla.keyspace = value,
            "FANFARE_STORE__SCYLLA__CREATE" => scylla.create = true,
            "FANFARE_STORE__SCYLLA__BUCKET_EVENTS" => scylla.bucket_events = value.parse().unwrap(),
            "FANFARE_STORE__SCYLLA__DATA_TIMEOUT_MS" => scylla.data_timeout_ms = value.parse().unwrap(),
            "FANFARE_STORE__SCYLLA__TICKS_TIMEOUT_MS" => scylla.ticks_timeout_ms = value.parse().unwrap(),
            "FANFARE_STORE__SCYLLA__CAS_TIMEOUT_MS" => scylla.cas_timeout_ms = value.parse().unwrap(),
            "FANFARE_STORE__SCYLLA__APPEND_TIMEOUT_MS" => scylla.append_timeout_ms = value.parse().unwrap(),
            other => panic!("{other} is not for tests"),
        }
    }
}

/// What is to be dropped, for [`the_keyspace_goes_with_the_run`].
const DROP: &str = "FANFARE_TEST_DROP";

/// A process that waits for the end of this one, and then drops its keyspace: nothing else is run in every case.
fn drop_in_the_end(keyspace: &str) {
    static UNTIL_THE_END: OnceLock<std::process::Child> = OnceLock::new();
    let child = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "support::store::the_keyspace_goes_with_the_run"])
        .env(DROP, keyspace)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // What ends the tests by their group must not end it.
        .process_group(0)
        .spawn();
    UNTIL_THE_END.set(child.unwrap()).unwrap();
}

/// Does nothing but for [`drop_in_the_end`].
#[tokio::test]
#[ignore = "no test: run by the others"]
async fn the_keyspace_goes_with_the_run() {
    let Ok(keyspace) = env::var(DROP) else { return };
    // Ends with who holds the other side.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let nodes = env::var("FANFARE_TEST_CQL").unwrap();
    let session = SessionBuilder::new().known_nodes(nodes.split(',')).build().await.unwrap();
    session.query_unpaged(format!("DROP KEYSPACE IF EXISTS {keyspace}"), ()).await.unwrap();
}

/// What an organisation is called in this test.
pub fn organisation(name: &str) -> String {
    match TEST.get() {
        0 => name.to_owned(),
        test => format!("{name}-{test}"),
    }
}
