//! Who may make tables, and what is said where they are not as they should be.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use fanfare::store::{
    StoreError,
    scylla::{Options, Scylla, Start},
};

use super::Keyspace;
use crate::Deaf;

/// Rises with every change of the tables.
const LATEST: u32 = 3;

fn refused(options: Options) -> String {
    match Scylla::open(options, Arc::new(Deaf)) {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn cql_tables_are_made_by_migrating_only() {
    let Some(keyspace) = Keyspace::new() else { return };
    let production = Options { create: None, ..keyspace.options() };
    let name = production.keyspace.clone();
    let why = refused(production.clone());
    assert!(why.contains(&name) && why.contains("create it first"), "{why}");
    assert!(Scylla::migrate(production.clone()).is_err());

    let session = keyspace.session().await;
    let cql = async |cql: &str| session.query_unpaged(cql, ()).await.unwrap();
    let replication = keyspace.options().create.unwrap();
    cql(&format!("CREATE KEYSPACE {name} WITH replication = {replication}")).await;
    let why = refused(production.clone());
    assert!(why.contains("schema version 0") && why.contains("`fanfare migrate`"), "{why}");

    assert_eq!(Scylla::migrate(production.clone()), Ok((0, LATEST)));
    assert_eq!(Scylla::migrate(production.clone()), Ok((LATEST, LATEST)));
    let store = Scylla::open(production.clone(), Arc::new(Deaf)).unwrap();
    let epoch = store.epoch();
    drop(store);
    assert_eq!(Scylla::open(production.clone(), Arc::new(Deaf)).unwrap().epoch(), epoch);

    // Another retention of fixes changes the tables' time to live and their windows.
    let other = Options { fix_days: 90, ..production.clone() };
    assert_eq!(Scylla::migrate(other), Ok((LATEST, LATEST)));
    let select = "SELECT default_time_to_live FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'fix'";
    let life = session.query_unpaged(select, (&name,)).await.unwrap().into_rows_result().unwrap();
    assert_eq!(life.single_row::<(i32,)>().unwrap().0, 90 * 86_400);

    let why = refused(production.clone());
    assert!(why.contains("retention.fix_days is 30") && why.contains("`fanfare migrate`"), "{why}");

    cql(&format!("UPDATE {name}.meta SET value = 99 WHERE name = 'schema' IF EXISTS")).await;
    for why in [
        refused(production.clone()),
        refused(keyspace.options()),
        Scylla::migrate(production).unwrap_err().to_string(),
    ] {
        assert!(why.contains("schema version 99, newer"), "{why}");
    }
    keyspace.drop().await;
}

#[tokio::test]
async fn cql_migrating_is_a_command() {
    let Some(keyspace) = Keyspace::new() else { return };
    let Options { nodes, keyspace: name, create, .. } = keyspace.options();
    let dir = tempfile::tempdir().unwrap();
    let migrate = |kind: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.arg("migrate").env("FANFARE_STORE__KIND", kind).current_dir(dir.path());
        let nodes = nodes.join(",");
        command.env("FANFARE_STORE__SCYLLA__NODES", nodes).env("FANFARE_STORE__SCYLLA__KEYSPACE", &name);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        // Of the database's, as of statements that depend on a `USE`.
        assert!(!said.contains("contains a warning"), "{said}");
        (output.status.success(), said)
    };
    let (done, said) = migrate("sqlite");
    assert!(!done && said.contains("store.kind is not `scylla`"), "{said}");
    let (done, said) = migrate("scylla");
    assert!(!done && said.contains("create it first"), "{said}");
    let create = format!("CREATE KEYSPACE {name} WITH replication = {}", create.unwrap());
    keyspace.session().await.query_unpaged(create, ()).await.unwrap();
    let (done, said) = migrate("scylla");
    assert!(done && said.contains(&format!("schema version 0 became {LATEST}")), "{said}");
    let (done, said) = migrate("scylla");
    assert!(done && said.contains(&format!("schema version {LATEST}, up to date")), "{said}");
    keyspace.drop().await;
}

#[tokio::test]
async fn cql_that_is_not_there_is_named() {
    let nowhere = Options { nodes: vec!["127.0.0.1:1".to_owned()], start: Start::Exit, ..Options::default() };
    let why = refused(nowhere);
    assert!(why.contains("cannot reach 127.0.0.1:1"), "{why}");
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_mins(2), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two programs migrate at once: one makes the tables, the other finds them made. Who has lost the lock stops, and
/// leaves it to whom it belongs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_one_at_a_time_migrates() {
    let Some(keyspace) = Keyspace::new() else { return };
    let (options, session) = (keyspace.options(), keyspace.session().await);
    let name = &keyspace.name;
    let both: Vec<_> = (0..2)
        .map(|_| {
            let options = options.clone();
            tokio::task::spawn_blocking(move || Scylla::migrate(options))
        })
        .collect();
    for migrated in both {
        assert_eq!(migrated.await.unwrap().map(|(_, made)| made), Ok(LATEST));
    }
    let lock = async || {
        let select = format!("SELECT value FROM {name}.meta WHERE name = 'lock'");
        let rows = session.query_unpaged(select, ()).await.unwrap().into_rows_result().unwrap();
        rows.maybe_first_row::<(i64,)>().unwrap().map(|(value,)| value)
    };
    assert_eq!(lock().await, None);

    // Somebody has it; then nobody.
    let cql = async |cql: String| session.query_unpaged(cql, ()).await.unwrap();
    cql(format!("INSERT INTO {name}.meta (name, value) VALUES ('lock', 7) IF NOT EXISTS")).await;
    let other = Options { fix_days: 90, ..options.clone() };
    let waiting = tokio::task::spawn_blocking(move || Scylla::migrate(other));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    assert_eq!(lock().await, Some(7));
    cql(format!("DELETE FROM {name}.meta WHERE name = 'lock' IF value = 7")).await;
    assert_eq!(waiting.await.unwrap(), Ok((LATEST, LATEST)));

    // Somebody takes it over in the middle.
    let other = Options { fix_days: 60, ..options.clone() };
    let losing = tokio::task::spawn_blocking(move || Scylla::migrate(other));
    until("nobody took the lock", async || lock().await.is_some()).await;
    cql(format!("UPDATE {name}.meta SET value = 7 WHERE name = 'lock' IF value != 7")).await;
    let why = losing.await.unwrap().unwrap_err().to_string();
    assert!(why.contains("another program is changing the tables"), "{why}");
    assert_eq!(lock().await, Some(7));
    keyspace.drop().await;
}
