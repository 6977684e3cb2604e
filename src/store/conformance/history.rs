//! Records whose kind keeps their history.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_proto::{UnixMs, UserId};

use super::lab::{Lab, fresh_org, user};
use crate::id::Tenant;
use crate::store::{Entry, History, Put, RecordKind, Roll, Slot, StoreError, Version};

const DELETE: Put = Put { value: None, expires: None };

fn slot(org: &Tenant, kind: RecordKind, key: &str) -> Slot {
    Slot { org: org.clone(), kind, partition: "p".to_owned(), key: key.to_owned() }
}

fn value(text: &str) -> Put {
    Put { value: Some(Bytes::copy_from_slice(text.as_bytes())), expires: None }
}

fn version(version: u64, at: u64, by: Option<&UserId>, put: Put) -> Version {
    Version { version, at: UnixMs(at), by: by.cloned(), put }
}

async fn whole(lab: &Lab, slot: &Slot) -> Vec<Version> {
    lab.store.history(slot, 0, 10_000, usize::MAX).await.unwrap().versions
}

pub(super) async fn every_version_is_kept(lab: &mut Lab) {
    let org = fresh_org();
    let (ann, ben) = (user("ann"), user("ben"));
    let slot = slot(&org, RecordKind::Document, "k");
    assert_eq!(lab.store.history(&slot, 0, 10, 10).await, Ok(History::NONE));
    let put =
        |expect, put, by: Option<&UserId>, at| lab.store.put_by(&slot, expect, put, by.cloned(), UnixMs(at));
    assert_eq!(put(None, value("a"), Some(&ann), 10).await, Ok(1));
    // What was not put is no version, whoever tried.
    assert_eq!(put(None, value("x"), Some(&ben), 11).await, Err(StoreError::Conflict { actual: 1 }));
    assert_eq!(put(Some(1), value(""), Some(&ben), 20).await, Ok(2));
    assert_eq!(put(Some(2), Put { expires: Some(UnixMs(90)), ..value("c") }, None, 15).await, Ok(3));
    assert_eq!(put(Some(3), DELETE, Some(&ann), 40).await, Ok(4));
    assert_eq!(put(Some(4), value("x"), None, 41).await, Err(StoreError::Conflict { actual: 0 }));
    assert_eq!(put(None, value("e"), Some(&ann), 50).await, Ok(5));
    let all = [
        version(1, 10, Some(&ann), value("a")),
        version(2, 20, Some(&ben), value("")),
        version(3, 15, None, Put { expires: Some(UnixMs(90)), ..value("c") }),
        version(4, 40, Some(&ann), DELETE),
        version(5, 50, Some(&ann), value("e")),
    ];
    assert_eq!(whole(lab, &slot).await, all);
    for (after, limit, max_bytes, from, to) in [
        (0, 2, usize::MAX, 0, 2),
        (2, 2, usize::MAX, 2, 4),
        (4, 2, usize::MAX, 4, 5),
        (5, 2, usize::MAX, 5, 5),
        (u64::MAX, 2, usize::MAX, 5, 5),
        (0, 0, usize::MAX, 0, 0),
        (0, 10, 0, 0, 1),
        (0, 10, 1, 0, 2),
        (0, 10, 2, 0, 4),
    ] {
        let page = lab.store.history(&slot, after, limit, max_bytes).await.unwrap();
        assert_eq!((page.first, page.last), (1, 5));
        assert_eq!(page.versions, all[from..to], "after {after}, {limit}, {max_bytes} bytes");
    }
    // Others have histories of their own, or none.
    let other = Slot { key: "l".to_owned(), ..slot.clone() };
    lab.store.put(&other, None, value("o"), UnixMs(7)).await.unwrap();
    assert_eq!(whole(lab, &other).await, [version(1, 7, None, value("o"))]);
    for kind in [RecordKind::Incident, RecordKind::Membership] {
        let same_key = Slot { kind, ..slot.clone() };
        assert_eq!(whole(lab, &same_key).await, []);
    }
    let plain = Slot { kind: RecordKind::Membership, ..slot.clone() };
    lab.store.put_by(&plain, None, value("m"), Some(ann), UnixMs(7)).await.unwrap();
    assert_eq!(lab.store.history(&plain, 0, 10, 10).await, Ok(History::NONE));

    lab.reopen().await;
    assert_eq!(whole(lab, &slot).await, all);
    assert_eq!(lab.store.put(&slot, Some(5), value("f"), UnixMs(60)).await, Ok(6));
    assert_eq!(whole(lab, &slot).await[5], version(6, 60, None, value("f")));
}

pub(super) async fn what_is_kept_is_bounded(lab: &mut Lab) {
    let org = fresh_org();
    let keep = RecordKind::Shift.keep().unwrap();
    let many = slot(&org, RecordKind::Shift, "many");
    for n in 0..keep.versions + 5 {
        let put = value(&n.to_string());
        assert_eq!(lab.store.put(&many, (n > 0).then_some(n), put, UnixMs(n)).await, Ok(n + 1));
    }
    let page = lab.store.history(&many, 0, 10_000, usize::MAX).await.unwrap();
    assert_eq!((page.first, page.last, page.versions.len() as u64), (6, keep.versions + 5, keep.versions));
    assert_eq!(page.versions[0], version(6, 5, None, value("5")));

    let large = slot(&org, RecordKind::Shift, "large");
    let third = Put { value: Some(Bytes::from(vec![b'x'; keep.bytes as usize / 3])), expires: None };
    for n in 0..5 {
        lab.store.put(&large, (n > 0).then_some(n), third.clone(), UnixMs(n)).await.unwrap();
    }
    let ends = async || {
        let page = lab.store.history(&large, 0, 10_000, usize::MAX).await.unwrap();
        assert_eq!(page.versions.len() as u64, page.last + 1 - page.first);
        (page.first, page.last)
    };
    assert_eq!(ends().await, (3, 5));
    // The newest stays, however large.
    let whole = Put { value: Some(Bytes::from(vec![b'y'; keep.bytes as usize + 1])), expires: None };
    lab.store.put(&large, Some(5), whole.clone(), UnixMs(5)).await.unwrap();
    assert_eq!(ends().await, (6, 6));
    assert_eq!(lab.store.get(&large, UnixMs(5)).await.unwrap().map(|record| record.value), whole.value);
    lab.store.put(&large, Some(6), DELETE, UnixMs(6)).await.unwrap();
    assert_eq!(ends().await, (7, 7));
    lab.store.put(&large, None, value("z"), UnixMs(6)).await.unwrap();
    assert_eq!(ends().await, (7, 8));
}

pub(super) async fn the_history_is_the_winners(lab: &mut Lab) {
    let slot = slot(&fresh_org(), RecordKind::Incident, "k");
    let mut winners = Vec::new();
    for at in 0..8 {
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let (store, slot) = (Arc::clone(&lab.store), slot.clone());
                let (by, put) = (user(&format!("u{task}")), value(&task.to_string()));
                tokio::spawn(async move {
                    let expect = (at > 0).then_some(at);
                    let put_by = store.put_by(&slot, expect, put.clone(), Some(by.clone()), UnixMs(at)).await;
                    put_by.ok().map(|now| version(now, at, Some(&by), put))
                })
            })
            .collect();
        for task in tasks {
            winners.extend(task.await.unwrap());
        }
    }
    assert_eq!(winners.len(), 8);
    assert_eq!(whole(lab, &slot).await, winners);
}

pub(super) async fn a_history_begins_where_told(lab: &mut Lab) {
    let org = fresh_org();
    let slot = slot(&org, RecordKind::Document, "begun");
    lab.store.begin_history(&slot, 7).await.unwrap();
    assert_eq!(lab.store.get(&slot, UnixMs(1)).await, Ok(None));
    let page = lab.store.history(&slot, 0, 10, 10).await.unwrap();
    assert_eq!(page, History { first: 8, last: 7, versions: vec![] });
    assert_eq!(lab.store.put(&slot, None, value("a"), UnixMs(1)).await, Ok(8));
    // Once it is there it stays as it is.
    lab.store.begin_history(&slot, 20).await.unwrap();
    let page = lab.store.history(&slot, 0, 10, 10).await.unwrap();
    let only = vec![version(8, 1, None, value("a"))];
    assert_eq!(page, History { first: 8, last: 8, versions: only });

    // Listed among the histories, also once it is deleted, and nowhere else.
    lab.store.put(&slot, Some(8), DELETE, UnixMs(2)).await.unwrap();
    for (what, expected) in [(Roll::Histories, vec![slot.clone()]), (Roll::Records, vec![])] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = lab.store.roll(what, after, 3).await.unwrap();
            found.extend(page.entries.into_iter().filter_map(|entry| match entry {
                Entry::History(slot) | Entry::Record(slot, _) => Some(slot).filter(|slot| slot.org == org),
                _ => None,
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{what:?}");
    }
}
