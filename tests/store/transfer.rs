//! Everything that a store keeps goes into another one and is the same there, however often either is interrupted.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use fanfare::{
    id::{Audience, Tenant, Topic},
    store::{
        Append, FixClass, From, MarkKind, NewEvent, Position, Put, RecordKind, Slot, Store, StoreError,
        StoredFix, Timer,
        sqlite::{Options, Sqlite},
        transfer::{self, Row, Total},
    },
};
use fanfare_proto::{Fix, JsonFix, OrgId, Seq, TopicKey, TopicKind, TopicName, UnixMs, UserId};

use crate::Deaf;

pub(crate) fn sqlite(dir: &Path) -> Arc<dyn Store> {
    Sqlite::open(dir, Arc::new(Deaf), &Options::default()).unwrap()
}

fn org(name: &str) -> Tenant {
    Tenant::stored(OrgId::new(name).unwrap())
}

fn topic(org: &Tenant, kind: TopicKind, key: &str) -> Topic {
    Topic { org: org.clone(), name: TopicName { kind, key: TopicKey::new(key).unwrap() } }
}

fn event(n: u64) -> NewEvent {
    NewEvent {
        author: UserId::new(&format!("u{}", n % 3)).unwrap(),
        client_id: fanfare_proto::ClientId::new(&format!("c{n}")).unwrap(),
        at: UnixMs(1_000 + n),
        name: "message:new".to_owned(),
        data: Bytes::from(format!("{{\"text\":\"Grüezi\\n{n} \u{1f3ba}\"}}")),
        countable: !n.is_multiple_of(4),
    }
}

/// Some of everything: logs whose front has expired, amended events, marks, records that end, timers, tracks.
pub(crate) async fn fill(store: &dyn Store) {
    for name in ["acme", "other"] {
        let org = org(name);
        for (kind, key, count) in [
            (TopicKind::Conversation, "a", 2_500),
            (TopicKind::Conversation, "b", 3),
            (TopicKind::Notice, "all", 7),
            (TopicKind::UrgentNotice, "all", 1),
        ] {
            let topic = topic(&org, kind, key);
            for first in (0..count).step_by(50) {
                let events = (first..count.min(first + 50)).map(event).collect();
                let append =
                    Append { topic: topic.clone(), expect: None, events, audience: Audience::Organisation };
                store.append(append).await.unwrap();
            }
            for (user, kind, seq) in
                [("u1", MarkKind::Delivered, 2), ("u1", MarkKind::Read, 1), ("u2", MarkKind::Read, 3)]
            {
                let to = Position { seq: Seq(seq), count: seq };
                store.mark(&topic, &UserId::new(user).unwrap(), kind, to).await.unwrap();
            }
        }
        let amended = topic(&org, TopicKind::Conversation, "b");
        for revision in 0..3 {
            store
                .amend(&amended, Seq(2), revision, "message:edited".into(), Bytes::from_static(b"{}"))
                .await
                .unwrap();
        }
        for n in 0..150 {
            let slot = Slot {
                org: org.clone(),
                kind: if n % 2 == 0 { RecordKind::Membership } else { RecordKind::Conversation },
                partition: format!("p{}", n % 5),
                key: format!("k{n}"),
            };
            let value = Some(Bytes::from(format!("{{\"n\":{n}}}")));
            let expires = (n % 10 == 0).then_some(UnixMs(4_000_000_000_000));
            let version = store.put(&slot, None, Put { value, expires }, UnixMs(0)).await.unwrap();
            if n == 7 {
                store.put(&slot, Some(version), Put { value: None, expires: None }, UnixMs(0)).await.unwrap();
            }
        }
        for n in 0..5 {
            let kind = if n % 2 == 0 { RecordKind::Document } else { RecordKind::Shift };
            let slot = Slot { org: org.clone(), kind, partition: "p".to_owned(), key: format!("k{n}") };
            // Of one, the oldest are no longer kept.
            for version in 0..if n == 3 { 120 } else { 4_u64 } {
                let expect = match (n, version) {
                    (_, 0) | (1, 2) => None,
                    (_, version) => Some(version),
                };
                let value = (n != 1 || version != 1).then(|| Bytes::from(format!("{n}.{version}")));
                let expires = (n == 2 && version == 3).then_some(UnixMs(4));
                let by = (version % 2 == 0).then(|| UserId::new("ann").unwrap());
                let put = Put { value, expires };
                store.put_by(&slot, expect, put, by, UnixMs(version)).await.unwrap();
            }
        }
        let day = 86_400_000;
        let fixes = (0..2_200_u64).map(|n| StoredFix {
            org: org.clone(),
            agent: UserId::new(&format!("agent-{}", n % 2)).unwrap(),
            source: (n % 3) as u32,
            class: FixClass::ALL[if n % 2 == 0 { (n / 2 % 3) as usize } else { 2 }],
            fix: fix(n + 1, 20_000 * day + n * 200_000),
        });
        store.put_fixes(fixes.collect()).await.unwrap();
    }
    store.expire(TopicKind::Notice, UnixMs(1_004)).await.unwrap();
    for n in 0..70 {
        let timer = Timer { key: format!("t{n}"), due: UnixMs(n), data: Bytes::from_static(b"{\"a\":1}") };
        store.set_timer(timer).await.unwrap();
    }
}

fn fix(counter: u64, time: u64) -> Fix {
    let n = counter as f64;
    let some = counter.is_multiple_of(2);
    JsonFix {
        counter,
        time: UnixMs(time),
        lat: 31.0 + n / 1e7,
        lon: -120.0 - n / 1e6,
        accuracy: some.then_some(4.8),
        speed: Some(1.39),
        heading: some.then_some(270.51),
        battery: None,
    }
    .try_into()
    .unwrap()
}

/// All rows, and what they come to.
async fn rows(store: &dyn Store) -> (Vec<Row>, Total) {
    let (mut rows, mut total, mut place) = (Vec::new(), Total::default(), None);
    let mut sink = |row: Row| -> Result<(), StoreError> {
        total.add(&row, &serde_json::to_string(&row).unwrap());
        rows.push(row);
        Ok(())
    };
    loop {
        place = transfer::export(store, UnixMs(5), place, &mut sink).await.unwrap();
        if place.is_none() {
            return (rows, total);
        }
    }
}

/// Puts rows into a store in parts of some size; every part comes twice, as after an interruption.
async fn put(store: &dyn Store, rows: &[Row], size: usize) {
    for part in rows.chunks(size) {
        for _ in 0..2 {
            transfer::import(store, UnixMs(5), part.to_vec()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_over_and_is_the_same() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (sqlite(from.path()), sqlite(to.path()));
    fill(&*from).await;
    copied(&*from, &*to).await;
    goes_on(&*to).await;
    let epoch = async |store: &Arc<dyn Store>| store.heads(&[notices()]).await.unwrap()[0].epoch;
    assert_ne!(epoch(&from).await, epoch(&to).await);
    from.close().await;
    to.close().await;
}

/// Copies everything into a store that is empty.
pub(crate) async fn copied(from: &dyn Store, to: &dyn Store) {
    assert!(transfer::is_empty(to).await.unwrap());
    let (there, total) = rows(from).await;
    assert_eq!(total.rows(), there.len() as u64);
    put(to, &there, 999).await;
    assert!(!transfer::is_empty(to).await.unwrap());
    let (here, same) = rows(to).await;
    let other: Vec<_> = here.iter().filter(|row| !there.contains(row)).take(3).collect();
    assert_eq!((total, other), (same, vec![]));
}

fn notices() -> Topic {
    topic(&org("acme"), TopicKind::Notice, "all")
}

/// Where the copy ends, the log goes on.
pub(crate) async fn goes_on(store: &dyn Store) {
    let page = store.read(&notices(), From::After(Seq::ZERO), 100, usize::MAX).await.unwrap();
    assert_eq!((page.head.first, page.head.seq, page.events.len()), (Seq(5), Seq(7), 3));
    let append = Append {
        topic: notices(),
        expect: Some(Seq(7)),
        events: vec![event(100)],
        audience: Audience::Organisation,
    };
    assert_eq!(store.append(append).await.unwrap().outcomes[0].seq, Seq(8));
}

#[tokio::test]
async fn a_store_that_holds_something_else_is_not_changed() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (sqlite(from.path()), sqlite(to.path()));
    fill(&*from).await;
    let (rows, _) = rows(&*from).await;
    let record = rows.iter().find(|row| matches!(row, Row::Record(_))).unwrap();
    transfer::import(&*to, UnixMs(5), vec![record.clone()]).await.unwrap();
    let text = serde_json::to_string(record).unwrap().replace("\\\"n\\\":", "\\\"m\\\":");
    let other: Row = serde_json::from_str(&text).unwrap();
    assert_ne!(other, *record);
    let refused = transfer::import(&*to, UnixMs(5), vec![other]).await.unwrap_err();
    assert!(matches!(refused, transfer::ImportError::Other(_)), "{refused}");

    // An event whose forerunners are missing.
    let events: Vec<_> = rows.iter().filter(|row| matches!(row, Row::Event(_))).take(2).cloned().collect();
    let refused = transfer::import(&*to, UnixMs(5), vec![events[1].clone()]).await.unwrap_err();
    assert!(matches!(refused, transfer::ImportError::Wrong(_)), "{refused}");
    from.close().await;
    to.close().await;
}
