//! Many at once.

use std::{collections::HashSet, sync::Arc};

use fanfare_proto::Seq;

use super::lab::{Lab, client, fresh_client, fresh_topic, new_event, seqs, to_append, user};
use crate::store::{From, StoreError};

const TASKS: usize = 16;

pub(super) async fn one_winner_for_each_head(lab: &mut Lab) {
    let topic = fresh_topic();
    for head in 0..10 {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let store = Arc::clone(&lab.store);
                let event = new_event(&user(&format!("u{task}")), &fresh_client());
                let append = to_append(&topic, Some(Seq(head)), vec![event]);
                tokio::spawn(async move { store.append(append).await })
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(appended) => {
                    assert_eq!(appended.outcomes[0].seq, Seq(head + 1));
                    winners += 1;
                }
                Err(error) => assert_eq!(error, StoreError::Conflict { actual: head + 1 }),
            }
        }
        assert_eq!(winners, 1);
    }
    assert_eq!(lab.whole(&topic).await.len(), 10);
}

pub(super) async fn one_effect_for_each_request(lab: &mut Lab) {
    let topic = fresh_topic();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, topic) = (Arc::clone(&lab.store), topic.clone());
            tokio::spawn(async move {
                let mut outcomes = Vec::new();
                for request in 0..20 {
                    // Each task in an order of its own.
                    let request = (request + task) % 20;
                    let event = new_event(&user("ann"), &client(&format!("r{request}")));
                    let outcome =
                        store.append(to_append(&topic, None, vec![event])).await.unwrap().outcomes[0];
                    outcomes.push((request, outcome));
                }
                outcomes
            })
        })
        .collect();
    let mut places: HashSet<(usize, u64)> = HashSet::new();
    let mut new = 0;
    for task in tasks {
        for (request, outcome) in task.await.unwrap() {
            places.insert((request, outcome.seq.0));
            new += usize::from(!outcome.duplicate);
        }
    }
    assert_eq!((new, places.len()), (20, 20));
    assert_eq!(seqs(&lab.whole(&topic).await), (1..=20).collect::<Vec<_>>());
}

pub(super) async fn writers_leave_no_gap(lab: &mut Lab) {
    let topics = [fresh_topic(), fresh_topic(), fresh_topic()];
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, topics) = (Arc::clone(&lab.store), topics.clone());
            tokio::spawn(async move {
                let author = user(&format!("u{task}"));
                let mut last = [0; 3];
                for n in 0..30 {
                    let topic = (n + task) % 3;
                    let append = to_append(&topics[topic], None, vec![new_event(&author, &fresh_client())]);
                    let seq = store.append(append).await.unwrap().outcomes[0].seq.0;
                    assert!(seq > last[topic], "a later append came earlier");
                    last[topic] = seq;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for topic in &topics {
        let each = TASKS as u64 * 10;
        assert_eq!(seqs(&lab.whole(topic).await), (1..=each).collect::<Vec<_>>());
        assert_eq!(seqs(&lab.heard.events_of(topic)), (1..=each).collect::<Vec<_>>());
    }
}

pub(super) async fn readers_see_what_was_answered(lab: &mut Lab) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (store, topic) = (Arc::clone(&lab.store), fresh_topic());
            tokio::spawn(async move {
                for n in 1..=20 {
                    let append = to_append(&topic, None, vec![new_event(&user("ann"), &fresh_client())]);
                    store.append(append).await.unwrap();
                    let page = store.read(&topic, From::Latest, 1, usize::MAX).await.unwrap();
                    assert_eq!((page.events[0].seq, page.head.seq), (Seq(n), Seq(n)));
                    let head = store.heads(std::slice::from_ref(&topic)).await.unwrap()[0];
                    assert_eq!(head.seq, Seq(n));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Who reads on from where the last page ended gets every event, in order, however many write meanwhile: none appears
/// below a position that has been read.
pub(super) async fn nothing_slips_under_a_cursor(lab: &mut Lab) {
    let topic = fresh_topic();
    let writers: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, topic) = (Arc::clone(&lab.store), topic.clone());
            tokio::spawn(async move {
                for n in 0..15 {
                    let events =
                        (0..=n % 3).map(|_| new_event(&user(&format!("u{task}")), &fresh_client())).collect();
                    store.append(to_append(&topic, None, events)).await.unwrap();
                }
            })
        })
        .collect();
    let all = TASKS as u64 * 30;
    let mut cursor = Seq::ZERO;
    while cursor.0 < all {
        for event in lab.read(&topic, From::After(cursor), 7).await.events {
            assert_eq!(event.seq, cursor.next());
            cursor = event.seq;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(lab.head(&topic).await, all);
}
