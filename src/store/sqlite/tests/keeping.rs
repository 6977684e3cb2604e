//! What is kept, how long, and in how much space.

use super::*;
use crate::id::Tenant;

const DAY: u64 = 24 * 60 * 60 * 1_000;

#[tokio::test]
async fn repetitions_are_forgotten_a_day_after_their_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let rows = || {
        store
            .readers
            .call(Lane::Ordered, |db| Ok(db.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?))
    };
    for n in 0..600 {
        store.append(append(TopicKind::Conversation, n, 1)).await.unwrap();
    }
    let expire = |before| store.expire(TopicKind::Conversation, UnixMs(before));
    assert_eq!(expire(500).await, Ok(500));
    assert_eq!((count_from(&store, 501).await, rows().await), (100, Ok(600)));
    assert_eq!(expire(DAY + 300).await, Ok(100));
    assert_eq!(rows().await, Ok(300));
    let known = store.append(append(TopicKind::Conversation, 300, 1)).await.unwrap();
    assert!(known.outcomes[0].duplicate);
    assert_eq!(expire(2 * DAY).await, Ok(0));
    assert_eq!(rows().await, Ok(0));
    let forgotten = store.append(append(TopicKind::Conversation, 300, 1)).await.unwrap();
    assert_eq!((forgotten.outcomes[0].seq, forgotten.outcomes[0].count), (Seq(601), 601));
}

async fn count_from(store: &Sqlite, first: u64) -> usize {
    let page =
        store.read(&topic(TopicKind::Conversation), From::Latest, usize::MAX, usize::MAX).await.unwrap();
    assert_eq!(page.head.first, Seq(first));
    page.events.len()
}

#[tokio::test]
async fn an_expired_record_gives_its_space_back_but_keeps_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let slot = |n: usize| Slot {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        kind: RecordKind::Membership,
        partition: "p".to_owned(),
        key: n.to_string(),
    };
    for n in 0..600 {
        let put = Put { value: Some(Bytes::from_static(b"v")), expires: (n > 0).then_some(UnixMs(100)) };
        store.put(&slot(n), None, put, UnixMs(1)).await.unwrap();
    }
    let values = || {
        let sql = "SELECT count(value) FROM record";
        store.readers.call(Lane::Ordered, |db| Ok(db.query_row(sql, [], |row| row.get(0))?))
    };
    store.expire(TopicKind::Notice, UnixMs(DAY + 100)).await.unwrap();
    assert_eq!(values().await, Ok(600));
    store.expire(TopicKind::Notice, UnixMs(DAY + 101)).await.unwrap();
    assert_eq!(values().await, Ok(1));
    let put = Put { value: Some(Bytes::from_static(b"w")), expires: None };
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
        store.append(append(TopicKind::Conversation, n, 100_000)).await.unwrap();
        longest = longest.max(length());
    }
    assert!(longest < 24 << 20, "{longest} bytes after 40 MB");
    // The writer tells nobody when it has nothing to do, so the file is looked at.
    let emptied = async {
        while length() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let emptied = tokio::time::timeout(Duration::from_secs(30), emptied).await;
    assert!(emptied.is_ok(), "still {} bytes at rest", length());
}

/// What the module promises of a power cut rests on these.
#[tokio::test]
async fn commits_are_synced_as_promised() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let setting =
        |db: &rusqlite::Connection, name| Ok(db.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?);
    let (full, normal) = (2, 1);
    let core = store.core.call(Lane::Ordered, 0, move |core| setting(core.connection(), "synchronous")).await;
    let ticks =
        store.ticks.call(Lane::Ordered, 0, move |ticks| setting(ticks.connection(), "synchronous")).await;
    assert_eq!((core, ticks), (Ok(full), Ok(normal)));
    let own =
        store.core.call(Lane::Ordered, 0, move |core| setting(core.connection(), "wal_autocheckpoint")).await;
    assert_eq!(own, Ok(0));
}

/// A clock or a device may say anything; what cannot be kept exactly is at least kept apart.
#[tokio::test]
async fn numbers_beyond_the_files_range_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let org = Tenant::stored(OrgId::new("org").unwrap());
    let agent = UserId::new("ann").unwrap();
    let position = fanfare_proto::Position::from_e7(0, 0).unwrap();
    let fix = |counter, time| {
        let fix = fanfare_proto::Fix {
            counter,
            time: UnixMs(time),
            position,
            motion: fanfare_proto::Motion::default(),
        };
        let class = FixClass::Standard;
        StoredFix { org: org.clone(), agent: agent.clone(), source: u32::MAX, class, fix }
    };
    let fixes = vec![fix(1, 5), fix(u64::MAX, 5), fix(u64::MAX - 1, 5), fix(0, u64::MAX)];
    store.put_fixes(fixes.clone()).await.unwrap();
    store.put_fixes(fixes).await.unwrap();
    let track = store.track(&org, &agent, UnixMs(0)..=UnixMs(u64::MAX), None, 10).await.unwrap();
    assert_eq!(track.len(), 4);
    assert_eq!(store.expire_fixes(FixClass::Standard, UnixMs(u64::MAX)).await, Ok(1));
    store.set_timer(Timer { key: "k".to_owned(), due: UnixMs(u64::MAX), data: Bytes::new() }).await.unwrap();
    assert_eq!(store.due_timers(UnixMs(u64::MAX - 1), u64::MAX, usize::MAX).await.unwrap().len(), 1);
    let beyond =
        store.append(Append { expect: Some(Seq(u64::MAX)), ..append(TopicKind::Notice, 1, 1) }).await;
    assert_eq!(beyond, Err(StoreError::Conflict { actual: 0 }));
}

/// Files that were written before there were classes of fixes, and kinds that keep their history.
#[tokio::test]
async fn earlier_files_keep_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let (core, ticks) = file::paths(dir.path());
    let earlier =
        |path, migrations: &[&str]| file::writer(path, &migrations[..1], file::Synchronous::Full).unwrap();
    let db = earlier(&core, schema::CORE);
    db.execute_batch("INSERT INTO record VALUES ('org', 'membership', 'p', 'k', 3, NULL, x'7b7d')").unwrap();
    drop(db);
    let db = earlier(&ticks, schema::TICKS);
    db.execute_batch(
        "INSERT INTO day VALUES (1), (3);
         INSERT INTO agent VALUES (7, 'org', 'ann', 259200005, 1, 2, 10, 20, NULL, 5, NULL, 9);",
    )
    .unwrap();
    for (day, time, counter) in [(1, 86_400_000_u64, 1), (3, 259_200_005, 2)] {
        db.execute_batch(&schema::day_table(FixClass::Standard, day)).unwrap();
        let row = format!("(7, {time}, 1, {counter}, 10, 20, NULL, 5, NULL, 9)");
        db.execute_batch(&format!("INSERT INTO fix_{day} VALUES {row}")).unwrap();
    }
    drop(db);

    let (store, _) = open(dir.path(), &Options::default());
    let slot = Slot {
        org: Tenant::stored(OrgId::new("org").unwrap()),
        kind: RecordKind::Membership,
        partition: "p".to_owned(),
        key: "k".to_owned(),
    };
    assert_eq!(store.get(&slot, UnixMs(1)).await.unwrap().map(|record| record.version), Some(3));
    let (org, ann) = (slot.org.clone(), UserId::new("ann").unwrap());
    let track = async || store.track(&org, &ann, UnixMs(0)..=UnixMs(u64::MAX), None, 9).await.unwrap();
    let counters = |fixes: &[StoredFix]| fixes.iter().map(|fix| fix.fix.counter).collect::<Vec<_>>();
    let kept = track().await;
    assert_eq!(counters(&kept), [1, 2]);
    assert!(kept.iter().all(|fix| fix.class == FixClass::Standard));
    assert_eq!(store.latest(&org, UnixMs(0)).await.unwrap(), kept[1..]);
    // It goes on from there.
    let long = StoredFix { class: FixClass::Long, source: 2, ..kept[1].clone() };
    store.put_fixes(vec![long.clone(), kept[0].clone()]).await.unwrap();
    assert_eq!(track().await, [kept[0].clone(), kept[1].clone(), long.clone()]);
    assert_eq!(store.expire_fixes(FixClass::Standard, UnixMs(9 * DAY)).await, Ok(2));
    assert_eq!(track().await, [long]);
}
