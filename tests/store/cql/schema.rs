//! Who may make tables, and what is said where they are not as they should be.

use std::{
    collections::HashMap,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use fanfare::{
    id::Tenant,
    store::{
        FixClass, Store, StoreError, StoredFix,
        scylla::{Options, Scylla, Start},
    },
};
use fanfare_proto::{Fix, Motion, OrgId, Position, UnixMs, UserId};

use super::Keyspace;
use crate::Deaf;

/// Rises with every change of the tables.
const LATEST: u32 = 5;

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

    assert_eq!(migrated(&production).await.1, LATEST);
    assert_eq!(Scylla::migrate(production.clone()), Ok((LATEST, LATEST)));
    let store = Scylla::open(production.clone(), Arc::new(Deaf)).unwrap();
    let epoch = store.epoch();
    drop(store);
    assert_eq!(Scylla::open(production.clone(), Arc::new(Deaf)).unwrap().epoch(), epoch);
    // Who puts a snapshot back removes the epoch.
    cql(&format!("DELETE FROM {name}.meta WHERE name = 'epoch' IF EXISTS")).await;
    assert_ne!(Scylla::open(production.clone(), Arc::new(Deaf)).unwrap().epoch(), epoch);

    // Another retention of fixes changes the time to live of their class's tables, and their windows.
    let lives = async || {
        let select =
            "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = ?";
        let lives = session.query_unpaged(select, (&name,)).await.unwrap().into_rows_result().unwrap();
        let lives: HashMap<String, i32> = lives.rows().unwrap().map(Result::unwrap).collect();
        ["fix_short", "fix_short_latest", "fix", "fix_bucket", "fix_agent", "fix_long", "fix_long_org"]
            .map(|table| lives[table] / 86_400)
    };
    assert_eq!(lives().await, [7, 7, 30, 31, 31, 365, 366]);
    let other = Options { fix_days: 90, short_fix_days: 2, ..production.clone() };
    assert_eq!(migrated(&other).await, (LATEST, LATEST));
    assert_eq!(lives().await, [2, 2, 90, 91, 91, 365, 366]);
    let why = refused(Options { fix_days: 90, ..production.clone() });
    assert!(why.contains("keeps short fixes for 2 days, retention.short_fix_days is 7"), "{why}");
    let other = Options { fix_days: 90, ..production.clone() };
    assert_eq!(migrated(&other).await, (LATEST, LATEST));

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

/// The table of fixes that there was before there were classes is the one of the standard class.
#[tokio::test]
async fn cql_an_earlier_keyspace_keeps_its_fixes() {
    let Some(keyspace) = Keyspace::new() else { return };
    let made = keyspace.options();
    let (org, agent) = (Tenant::stored(OrgId::new("org").unwrap()), UserId::new("ann").unwrap());
    let fixes = |class, first: u64| -> Vec<_> {
        let fix = |counter: u64| Fix {
            counter,
            time: UnixMs(counter * 20_000_000),
            position: Position::from_e7(1, 2).unwrap(),
            motion: Motion::default(),
        };
        let stored = |fix| StoredFix { org: org.clone(), agent: agent.clone(), source: 1, class, fix };
        (first..first + 20).map(fix).map(stored).collect()
    };
    let store = Scylla::open(made.clone(), Arc::new(Deaf)).unwrap();
    let before = fixes(FixClass::Standard, 1);
    store.put_fixes(before.clone()).await.unwrap();
    store.close().await;

    let session = keyspace.session().await;
    let name = &made.keyspace;
    let cql = async |cql: String| session.query_unpaged(cql, ()).await.unwrap();
    for class in ["short", "long"] {
        for what in ["", "_bucket", "_agent", "_org", "_latest"] {
            cql(format!("DROP TABLE {name}.fix_{class}{what}")).await;
        }
        cql(format!("DELETE FROM {name}.meta WHERE name = '{class}_fix_days' IF EXISTS")).await;
    }
    for table in ["kept", "kept_key"] {
        cql(format!("DROP TABLE {name}.{table}")).await;
    }
    // For 60 days, and what leads to the fixes for no longer.
    for what in ["", "_bucket", "_agent", "_org", "_latest"] {
        cql(format!("ALTER TABLE {name}.fix{what} WITH default_time_to_live = 5184000")).await;
    }
    cql(format!("UPDATE {name}.meta SET value = 60 WHERE name = 'fix_days' IF EXISTS")).await;
    cql(format!("UPDATE {name}.meta SET value = 1 WHERE name = 'schema' IF EXISTS")).await;

    let production = Options { create: None, fix_days: 60, ..made.clone() };
    let why = refused(production.clone());
    assert!(why.contains("schema version 1") && why.contains("`fanfare migrate`"), "{why}");
    assert_eq!(migrated(&production).await.1, LATEST);
    let select = format!(
        "SELECT default_time_to_live FROM system_schema.tables WHERE keyspace_name = '{name}' AND table_name IN
         ('fix', 'fix_bucket', 'fix_agent', 'fix_org', 'fix_latest')"
    );
    let rows = cql(select).await.into_rows_result().unwrap();
    let mut days: Vec<_> = rows.rows::<(i32,)>().unwrap().map(|row| row.unwrap().0 / 86_400).collect();
    days.sort_unstable();
    assert_eq!(days, [60, 60, 61, 61, 61]);
    let store = Scylla::open(production, Arc::new(Deaf)).unwrap();
    let track = || store.track(&org, &agent, UnixMs(0)..=UnixMs(u64::MAX), None, 100);
    assert_eq!(track().await, Ok(before.clone()));
    let later = fixes(FixClass::Long, 21);
    store.put_fixes(later.clone()).await.unwrap();
    assert_eq!(track().await, Ok([before, later].concat()));
    store.close().await;
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

/// Tried again where the machine is so busy that a connection breaks.
async fn migrated(options: &Options) -> (u32, u32) {
    for _ in 0..10 {
        let options = options.clone();
        match tokio::task::spawn_blocking(move || Scylla::migrate(options)).await.unwrap() {
            Ok(versions) => return versions,
            Err(error) => eprintln!("not yet: {error}"),
        }
    }
    panic!("nothing was migrated");
}

/// Two programs migrate at once: one makes the tables, the other finds them made. Who has lost the lock stops, and
/// leaves it to whom it belongs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cql_one_at_a_time_migrates() {
    let Some(keyspace) = Keyspace::new() else { return };
    let (options, session) = (keyspace.options(), keyspace.session().await);
    let name = &keyspace.name;
    let both = tokio::join!(migrated(&options), migrated(&options));
    assert_eq!((both.0.1, both.1.1), (LATEST, LATEST));
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

    // It fails half-way, and nobody waits for that when it is tried again.
    cql(format!("DROP TABLE {name}.fix_long_latest")).await;
    let longer = Options { long_fix_days: 400, ..options.clone() };
    let mut tries = 0..3;
    loop {
        let failing = longer.clone();
        let failed = tokio::task::spawn_blocking(move || Scylla::migrate(failing)).await.unwrap();
        let why = failed.unwrap_err().to_string();
        if why.contains("fix_long_latest") && lock().await.is_none() {
            break;
        }
        assert!(tries.next().is_some(), "the lock stays: {why}");
    }
    let latest = "org text, shard int, agent text, fix blob, PRIMARY KEY ((org, shard), agent)";
    cql(format!("CREATE TABLE {name}.fix_long_latest ({latest})")).await;
    assert_eq!(migrated(&longer).await, (LATEST, LATEST));

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
