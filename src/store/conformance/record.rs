//! Records.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_proto::UnixMs;

use super::lab::{Lab, fresh_org};
use crate::id::Tenant;
use crate::store::{Put, Record, RecordKind, Slot, StoreError};

const NOW: UnixMs = UnixMs(1_000);

/// One that keeps its history, and one that does not.
const KINDS: [RecordKind; 2] = [RecordKind::Membership, RecordKind::Document];

fn slot(org: &Tenant, kind: RecordKind, partition: &str, key: &str) -> Slot {
    Slot { org: org.clone(), kind, partition: partition.to_owned(), key: key.to_owned() }
}

fn value(text: &str) -> Put {
    Put { value: Some(Bytes::copy_from_slice(text.as_bytes())), expires: None }
}

const DELETE: Put = Put { value: None, expires: None };

pub(super) async fn versions_rise_and_never_start_again(lab: &mut Lab) {
    for kind in KINDS {
        rise(lab, kind).await;
    }
}

async fn rise(lab: &Lab, kind: RecordKind) {
    let slot = slot(&fresh_org(), kind, "p", "k");
    let put = |expect, put| lab.store.put(&slot, expect, put, NOW);
    let conflict = |actual| Err(StoreError::Conflict { actual });
    assert_eq!(lab.store.get(&slot, NOW).await, Ok(None));
    assert_eq!(put(Some(1), value("a")).await, conflict(0));
    assert_eq!(put(None, value("a")).await, Ok(1));
    assert_eq!(put(None, value("b")).await, conflict(1));
    assert_eq!(put(Some(2), value("b")).await, conflict(1));
    assert_eq!(put(Some(1), value("b")).await, Ok(2));
    let record = lab.store.get(&slot, NOW).await.unwrap();
    assert_eq!(record, Some(Record { version: 2, value: Bytes::from_static(b"b") }));
    assert_eq!(put(Some(2), DELETE).await, Ok(3));
    assert_eq!(lab.store.get(&slot, NOW).await, Ok(None));
    assert_eq!(put(Some(3), value("c")).await, conflict(0));
    assert_eq!(put(None, value("c")).await, Ok(4));
    // An empty value is a value.
    assert_eq!(put(Some(4), value("")).await, Ok(5));
    let record = lab.store.get(&slot, NOW).await.unwrap();
    assert_eq!(record, Some(Record { version: 5, value: Bytes::new() }));
}

pub(super) async fn one_winner_for_each_version(lab: &mut Lab) {
    for kind in KINDS {
        race(lab, kind).await;
    }
}

async fn race(lab: &Lab, kind: RecordKind) {
    let slot = slot(&fresh_org(), kind, "p", "k");
    for version in 0..10 {
        let expect = (version > 0).then_some(version);
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let (store, slot) = (Arc::clone(&lab.store), slot.clone());
                tokio::spawn(
                    async move { (task, store.put(&slot, expect, value(&task.to_string()), NOW).await) },
                )
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                (task, Ok(now)) => {
                    assert_eq!(now, version + 1);
                    winners.push(task.to_string());
                }
                (_, Err(error)) => assert_eq!(error, StoreError::Conflict { actual: version + 1 }),
            }
        }
        assert_eq!(winners.len(), 1);
        let record = lab.store.get(&slot, NOW).await.unwrap().unwrap();
        assert_eq!((record.version, &record.value[..]), (version + 1, winners[0].as_bytes()));
    }
}

pub(super) async fn records_expire(lab: &mut Lab) {
    for kind in KINDS {
        expire(lab, kind).await;
    }
}

async fn expire(lab: &Lab, kind: RecordKind) {
    let slot = slot(&fresh_org(), kind, "p", "k");
    let until = |at| Put { expires: Some(UnixMs(at)), ..value("a") };
    let live = |record: Result<Option<Record>, _>| record.unwrap().is_some();
    assert_eq!(lab.store.put(&slot, None, until(2_000), NOW).await, Ok(1));
    assert!(live(lab.store.get(&slot, UnixMs(1_999)).await));
    assert!(!live(lab.store.get(&slot, UnixMs(2_000)).await));
    let listed = |now| lab.store.list(&slot.org, slot.kind, &slot.partition, None, 10, UnixMs(now));
    assert_eq!(listed(1_999).await.unwrap().len(), 1);
    assert_eq!(listed(2_000).await.unwrap().len(), 0);
    // To a writer it has gone as well, but its version counts on.
    let stale = lab.store.put(&slot, Some(1), until(9_000), UnixMs(2_000)).await;
    assert_eq!(stale, Err(StoreError::Conflict { actual: 0 }));
    assert_eq!(lab.store.put(&slot, None, until(9_000), UnixMs(2_000)).await, Ok(2));
    // A new value also replaces the expiry.
    assert_eq!(lab.store.put(&slot, Some(2), value("b"), UnixMs(2_000)).await, Ok(3));
    assert!(live(lab.store.get(&slot, UnixMs(99_000)).await));
}

pub(super) async fn lists_in_key_order(lab: &mut Lab) {
    for kind in KINDS {
        list_in_order(lab, kind).await;
    }
}

async fn list_in_order(lab: &Lab, kind: RecordKind) {
    let org = fresh_org();
    let mut keys: Vec<String> = (0..50).map(|n| format!("{:02}", n * 7 % 50)).collect();
    keys.extend(["", "B", "a", "ä", "10 "].map(str::to_owned));
    for key in &keys {
        lab.store.put(&slot(&org, kind, "p", key), None, value(key), NOW).await.unwrap();
    }
    let others = [slot(&org, kind, "q", "x"), slot(&org, kind, "", "x"), slot(&fresh_org(), kind, "p", "x")];
    for slot in &others {
        lab.store.put(slot, None, value("x"), NOW).await.unwrap();
    }
    lab.store.put(&slot(&org, kind, "p", "07"), Some(1), DELETE, NOW).await.unwrap();
    keys.retain(|key| key != "07");
    keys.sort_unstable();

    let list = async |after: Option<&str>, limit| {
        let page = lab.store.list(&org, kind, "p", after, limit, NOW).await.unwrap();
        for (key, record) in &page {
            assert_eq!((record.version, &record.value[..]), (1, key.as_bytes()));
        }
        page.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 100).await, keys);
    assert_eq!(list(None, 0).await, [""; 0]);
    assert_eq!(list(Some("ä"), 100).await, [""; 0]);
    assert_eq!(list(Some("07"), 1).await, ["08"]);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = list(after.as_deref(), 9).await;
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        paged.extend(page);
    }
    assert_eq!(paged, keys);
    assert_eq!(lab.store.list(&org, kind, "", None, 9, NOW).await.unwrap().len(), 1);
}
