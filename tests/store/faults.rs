//! The embedded store where something is wrong with its directory.

use std::{path::Path, process::Command, sync::Arc};

use bytes::Bytes;
use fanfare::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, From, NewEvent, Store, StoreError,
        sqlite::{Options, Sqlite, backup},
    },
};
use fanfare_proto::{ClientId, OrgId, Seq, TopicKey, TopicKind, TopicName, UnixMs, UserId};

use crate::Deaf;

fn open(dir: &Path) -> Result<Arc<Sqlite>, StoreError> {
    Sqlite::open(dir, Arc::new(Deaf), &Options::default())
}

/// Why it cannot be opened.
fn refused(dir: &Path) -> String {
    open(dir).expect_err("it opened").to_string()
}

fn topic() -> Topic {
    let key = TopicKey::new("c").unwrap();
    Topic {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        name: TopicName { kind: TopicKind::Conversation, key },
    }
}

async fn append(store: &Sqlite, n: usize, size: usize) -> Result<Seq, StoreError> {
    let event = NewEvent {
        author: UserId::new("ann").unwrap(),
        client_id: ClientId::new(&format!("c{n}")).unwrap(),
        at: UnixMs(1),
        name: "test:event".to_owned(),
        data: Bytes::from(vec![b'x'; size]),
        countable: true,
    };
    let append =
        Append { topic: topic(), expect: None, events: vec![event], audience: Audience::Organisation };
    Ok(store.append(append).await?.outcomes[0].seq)
}

async fn clients(store: &Sqlite) -> Vec<String> {
    let page = store.read(&topic(), From::After(Seq::ZERO), usize::MAX, usize::MAX).await.unwrap();
    page.events.iter().map(|event| event.client_id.to_string()).collect()
}

#[tokio::test]
async fn a_directory_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert!(refused(dir.path()).contains("in use by another process"));
    store.close().await;
    let second = open(dir.path()).unwrap();
    // The first, although still there, has nothing to say any more.
    assert!(matches!(append(&store, 1, 1).await, Err(StoreError::Unavailable(_))));
    drop(store);
    assert_eq!(append(&second, 1, 1).await, Ok(Seq(1)));
    drop(second);
    assert_eq!(clients(&open(dir.path()).unwrap()).await, ["c1"]);
}

#[tokio::test]
async fn an_emptied_directory_begins_another_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let mut epochs = Vec::new();
    for _ in 0..3 {
        let store = open(dir.path()).unwrap();
        epochs.push(store.epoch());
        store.close().await;
        assert_eq!(open(dir.path()).unwrap().epoch(), epochs[epochs.len() - 1]);
        for file in ["core.db", "ticks.db"] {
            std::fs::remove_file(dir.path().join(file)).unwrap();
        }
    }
    assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
    assert!(epochs.iter().all(|epoch| epoch.0 != 0));
}

#[tokio::test]
async fn what_is_not_ours_is_refused() {
    for file in ["core.db", "ticks.db"] {
        let opened = async || {
            let dir = tempfile::tempdir().unwrap();
            open(dir.path()).unwrap().close().await;
            let path = dir.path().join(file);
            (dir, path)
        };
        let (dir, path) = opened().await;
        std::fs::write(&path, "no database ".repeat(1_000)).unwrap();
        let why = refused(dir.path());
        assert!(why.contains(file) && why.contains("not a database"), "{why}");

        std::fs::remove_file(&path).unwrap();
        let foreign = rusqlite::Connection::open(&path).unwrap();
        foreign.execute_batch("CREATE TABLE wallet (coins INTEGER)").unwrap();
        let why = refused(dir.path());
        assert!(why.contains(file) && why.contains("not one of Fanfare"), "{why}");
        drop(foreign);

        let (dir, path) = opened().await;
        rusqlite::Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        let why = refused(dir.path());
        assert!(why.contains(file) && why.contains("schema version 99"), "{why}");
    }
}

#[tokio::test]
async fn a_store_that_lacks_a_part_does_not_begin_anew() {
    for file in ["core.db", "ticks.db"] {
        for how in ["removed", "empty", "half"] {
            let dir = tempfile::tempdir().unwrap();
            let store = open(dir.path()).unwrap();
            append(&store, 1, 1).await.unwrap();
            store.close().await;
            let path = dir.path().join(file);
            let whole = std::fs::read(&path).unwrap();
            match how {
                "removed" => std::fs::remove_file(&path).unwrap(),
                "empty" => std::fs::write(&path, "").unwrap(),
                _ => std::fs::write(&path, &whole[..whole.len() / 2]).unwrap(),
            }
            let why = refused(dir.path());
            let said = if how == "half" { "cut off" } else { "missing or empty" };
            assert!(why.contains(file) && why.contains(said) && why.contains("fanfare restore"), "{why}");
            // Refusing changes nothing: once the file is back, all is as it was.
            std::fs::write(&path, whole).unwrap();
            assert_eq!(clients(&open(dir.path()).unwrap()).await, ["c1"]);
        }
    }
    // A start that was cut off is none: there is nothing to lose yet.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("core.db"), "").unwrap();
    std::fs::write(dir.path().join("development.secret"), "0".repeat(64)).unwrap();
    open(dir.path()).unwrap();
}

#[tokio::test]
async fn damage_is_reported_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for n in 0..200 {
        append(&store, n, 1_000).await.unwrap();
    }
    store.close().await;
    let path = dir.path().join("core.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let store = open(dir.path()).unwrap();
    let read = store.read(&topic(), From::After(Seq::ZERO), usize::MAX, usize::MAX).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}

#[tokio::test]
async fn a_copy_is_complete_and_of_another_epoch() {
    let (dir, parent) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = parent.path().join("copy");
    let store = open(dir.path()).unwrap();
    for n in 0..50 {
        append(&store, n, 10).await.unwrap();
    }
    store.index_text(&topic(), Seq(7), "findable").await.unwrap();
    backup(dir.path(), &copy).unwrap();
    append(&store, 50, 10).await.unwrap();
    let again = backup(dir.path(), &copy).unwrap_err().to_string();
    assert!(again.contains("exists already"), "{again}");
    let restored = open(&copy).unwrap();
    assert_eq!((clients(&restored).await.len(), clients(&store).await.len()), (50, 51));
    assert_ne!(restored.epoch(), store.epoch());
    let found = restored.search_text(&[topic()], "findable", 9).await.unwrap();
    assert_eq!(found, [(topic(), Seq(7))]);
    let epoch = restored.epoch();
    restored.close().await;
    assert_eq!(open(&copy).unwrap().epoch(), epoch);
}

/// A file system of our own, where that is permitted.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then(|| Self(dir))
    }

    fn remount(&self, options: &str) {
        let mounted = Command::new("mount").args(["-o", options]).arg(self.0.path()).status().unwrap();
        assert!(mounted.success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing_and_passes() {
    let Some(mount) = Mount::new("8m") else {
        println!("skipped: needs to mount a file system");
        return;
    };
    let dir = mount.0.path().join("data");
    let ballast = mount.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 3 << 20]).unwrap();
    let store = open(&dir).unwrap();
    let mut stored = Vec::new();
    let mut failures = 0;
    for n in 0..400 {
        match append(&store, n, 30_000).await {
            Ok(seq) => {
                assert_eq!(seq, Seq(stored.len() as u64 + 1));
                stored.push(format!("c{n}"));
            }
            Err(StoreError::Unavailable(_)) => failures += 1,
            Err(other) => panic!("{other}"),
        }
        assert!(n % 20 > 0 || clients(&store).await == stored);
    }
    assert!(failures > 100, "the disk was never full");
    assert_eq!(clients(&store).await, stored);
    // It is known without anyone's asking, and so is the end of it.
    assert!(store.trouble().is_some());
    std::fs::remove_file(&ballast).unwrap();
    let begun = std::time::Instant::now();
    while store.trouble().is_some() {
        assert!(begun.elapsed().as_secs() < 15, "{:?}", store.trouble());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // What failed can be repeated once there is room.
    for n in 390..410 {
        append(&store, n, 30_000).await.unwrap();
        stored.push(format!("c{n}"));
    }
    assert_eq!(clients(&store).await, stored);
    store.close().await;
    drop(store);
    assert_eq!(clients(&open(&dir).unwrap()).await, stored);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_named() {
    let Some(mount) = Mount::new("8m") else {
        println!("skipped: needs to mount a file system");
        return;
    };
    mount.remount("remount,ro");
    let why = refused(&mount.0.path().join("data"));
    assert!(why.contains("data") && why.contains("Read-only"), "{why}");
    mount.remount("remount,rw");
    open(mount.0.path()).unwrap().close().await;
    mount.remount("remount,ro");
    let why = refused(mount.0.path());
    assert!(why.contains("lock") && why.contains("Read-only"), "{why}");
}
