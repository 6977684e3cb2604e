//! What a copy of a whole store needs: lists of everything, and logs that begin where another's did.

use std::collections::HashSet;

use bytes::Bytes;
use fanfare_proto::{Seq, TopicKind, UnixMs};

use super::{
    lab::{Lab, fresh, fresh_client, fresh_org, fresh_topic, new_event, topic_in, user},
    track::stored,
};
use crate::id::Tenant;
use crate::store::{Entry, Event, From, Put, RecordKind, Roll, Slot, StoreError, Timer};

pub(super) async fn a_log_begins_where_told(lab: &mut Lab) {
    let topic = fresh_topic();
    lab.store.begin(&topic, Seq(5), 3).await.unwrap();
    let head = lab.store.heads(std::slice::from_ref(&topic)).await.unwrap()[0];
    assert_eq!((head.seq, head.first, head.count), (Seq(4), Seq(5), 3));
    let outcome = lab.append(&topic, vec![new_event(&user("a"), &fresh_client())]).await[0];
    assert_eq!((outcome.seq, outcome.count), (Seq(5), 4));
    // Once it is there it stays as it is.
    lab.store.begin(&topic, Seq(9), 9).await.unwrap();
    let page = lab.read(&topic, From::After(Seq::ZERO), 10).await;
    assert_eq!((page.head.seq, page.head.first, page.head.count), (Seq(5), Seq(5), 4));
    assert_eq!(page.events.len(), 1);
    lab.store.begin(&topic_in(&topic.org, TopicKind::Notice, "all"), Seq(1), 0).await.unwrap();
}

/// As they were: with gaps in what counts, amended, and with a request that is there twice.
pub(super) async fn events_come_as_they_were(lab: &mut Lab) {
    let (topic, ann) = (fresh_topic(), user("ann"));
    let requests = [fresh_client(), fresh_client(), fresh_client()];
    let event = |seq: u64, client: usize, count, revision| Event {
        seq: Seq(seq),
        author: ann.clone(),
        client_id: requests[client].clone(),
        at: UnixMs(seq * 10),
        name: "test:event".to_owned(),
        data: Bytes::from(format!("{{\"n\":{seq}}}")),
        count,
        revision,
    };
    lab.store.begin(&topic, Seq(5), 3).await.unwrap();
    let events = [event(5, 0, 3, 0), event(6, 1, 4, 7), event(7, 0, 5, 0), event(8, 2, 5, 1)];
    let put = async |events: &[Event]| lab.store.restore(&topic, events.to_vec()).await;
    assert_eq!(put(&events[1..]).await, Err(StoreError::Conflict { actual: 4 }));
    assert_eq!(put(&[]).await, Ok(()));
    assert_eq!(put(&events[..2]).await, Ok(()));
    assert_eq!(put(&events[1..]).await, Err(StoreError::Conflict { actual: 6 }));
    assert_eq!(put(&[events[2].clone(), event(9, 1, 5, 0)]).await, Err(StoreError::Conflict { actual: 6 }));
    assert_eq!(put(&events[2..]).await, Ok(()));
    assert_eq!(lab.whole(&topic).await, events);
    let head = lab.store.heads(std::slice::from_ref(&topic)).await.unwrap()[0];
    assert_eq!((head.seq, head.first, head.count), (Seq(8), Seq(5), 5));
    assert!(lab.heard.of(&topic).is_empty());
    // The log goes on, and the later of two is what a repetition finds.
    let next =
        lab.append(&topic, vec![new_event(&ann, &requests[0]), new_event(&ann, &fresh_client())]).await;
    let short: Vec<_> = next.iter().map(|o| (o.seq.0, o.count, o.duplicate)).collect();
    assert_eq!(short, [(7, 5, true), (9, 6, false)]);
    let amended = lab.store.amend(&topic, Seq(6), 7, "test:edited".to_owned(), Bytes::new()).await;
    assert_eq!(amended, Ok(8));
    // Of any length.
    let many: Vec<_> =
        (10..900).map(|seq| Event { client_id: fresh_client(), ..event(seq, 0, 6, 0) }).collect();
    assert_eq!(put(&many).await, Ok(()));
    assert_eq!(lab.whole(&topic).await[5..], many);
}

pub(super) async fn rolls_list_everything_once(lab: &mut Lab) {
    let (org, prefix) = (fresh_org(), fresh());
    for n in 0..7_u64 {
        let topic = topic_in(&org, TopicKind::Conversation, &format!("t{n}"));
        lab.append(&topic, vec![new_event(&user("a"), &fresh_client())]).await;
        let put = Put { value: Some(Bytes::from(format!("{{\"n\":{n}}}"))), expires: None };
        let version = lab.store.put(&slot(&org, n), None, put, UnixMs(0)).await.unwrap();
        if n == 6 {
            let gone = Put { value: None, expires: None };
            lab.store.put(&slot(&org, n), Some(version), gone, UnixMs(0)).await.unwrap();
        }
        // Long after everything, so that no other case takes them.
        let timer =
            Timer { key: format!("{prefix}-{n}"), due: UnixMs(1 << 52), data: Bytes::from_static(b"{}") };
        lab.store.set_timer(timer).await.unwrap();
    }
    let fixes = (0..20).map(|n| stored(&org, &user(&format!("a{}", n % 5)), n * 1_000_000_000, 1, n + 1));
    lab.store.put_fixes(fixes.collect()).await.unwrap();

    let of = |entry: &Entry| match entry {
        Entry::Topic(topic) => (topic.org == org).then(|| topic.name.to_string()),
        Entry::History(_) => None,
        Entry::Record(slot, put) => (slot.org == org).then(|| format!("{} {:?}", slot.key, put.value)),
        Entry::Timer(timer) => timer.key.starts_with(&prefix).then(|| timer.key.clone()),
        Entry::Agent(entry_org, agent) => (*entry_org == org).then(|| agent.to_string()),
    };
    for (what, count) in [(Roll::Topics, 7), (Roll::Records, 6), (Roll::Timers, 7), (Roll::Agents, 5)] {
        let (mut found, mut distinct, mut after) = (0, HashSet::new(), None);
        loop {
            let page = lab.store.roll(what, after, 3).await.unwrap();
            for name in page.entries.iter().filter_map(of) {
                found += 1;
                distinct.insert(name);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((found, distinct.len()), (count, count), "{what:?}");
    }
    for n in 0..7 {
        lab.store.clear_timer(&format!("{prefix}-{n}")).await.unwrap();
    }
}

fn slot(org: &Tenant, n: u64) -> Slot {
    Slot {
        org: org.clone(),
        kind: RecordKind::Membership,
        partition: format!("p{}", n % 3),
        key: format!("k{n}"),
    }
}
