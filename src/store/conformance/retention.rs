//! Retention of logs.

use bytes::Bytes;
use fanfare_proto::{ClientId, Seq, TopicKind, UnixMs};

use super::lab::{Lab, fresh_client, fresh_org, fresh_topic, new_event, seqs, topic_in, user};
use crate::store::{From, Head, MarkKind, NewEvent, Outcome, Position, StoreError};

pub(super) async fn the_front_expires(lab: &mut Lab) {
    let topic = fresh_topic();
    let ann = user("ann");
    // The clock went back once: what stands behind a younger event stays.
    for at in [10, 20, 30, 15, 40] {
        lab.append(&topic, vec![NewEvent { at: UnixMs(at), ..new_event(&ann, &fresh_client()) }]).await;
    }
    let epoch = lab.store.heads(std::slice::from_ref(&topic)).await.unwrap()[0].epoch;
    let at = |first| (first <= 5).then_some(UnixMs(40));
    let head = |first| Head { epoch, seq: Seq(5), first: Seq(first), count: 5, at: at(first) };
    let table = [(10, 0, 1), (11, 1, 2), (25, 1, 3), (25, 0, 3), (40, 2, 5), (41, 1, 6), (41, 0, 6)];
    for (before, gone, first) in table {
        let answered = lab.store.expire(TopicKind::Conversation, UnixMs(before)).await.unwrap();
        assert!(answered >= gone, "before {before}: {answered}");
        let page = lab.read(&topic, From::After(Seq::ZERO), 100).await;
        assert_eq!(page.head, head(first), "before {before}");
        assert_eq!(seqs(&page.events), (first..=5).collect::<Vec<_>>());
        assert_eq!(lab.store.heads(std::slice::from_ref(&topic)).await.unwrap(), [head(first)]);
        let falling = lab.read(&topic, From::Latest, 100).await;
        assert_eq!((falling.events, falling.more), (page.events, false));
        let gone = lab.store.amend(&topic, Seq(first - 1), 0, String::new(), Bytes::new()).await;
        assert_eq!(gone, Err(StoreError::NotFound));
    }
    // Empty, but not new.
    let next = lab.append_at(&topic, 5, vec![new_event(&ann, &fresh_client())]).await.unwrap();
    assert_eq!((next.epoch, next.outcomes[0].seq, next.outcomes[0].count), (epoch, Seq(6), 6));
    assert_eq!(seqs(&lab.whole(&topic).await), [6]);
    // It goes as well, although it is older than what went before.
    assert!(lab.store.expire(TopicKind::Conversation, UnixMs(2)).await.unwrap() >= 1);
    assert_eq!(lab.whole(&topic).await, []);
}

pub(super) async fn repetitions_outlive_their_event(lab: &mut Lab) {
    let topic = fresh_topic();
    let event = NewEvent { at: UnixMs(10), ..new_event(&user("ann"), &fresh_client()) };
    let first = lab.append(&topic, vec![event.clone()]).await[0];
    lab.store.expire(TopicKind::Conversation, UnixMs(1_000)).await.unwrap();
    assert_eq!(lab.whole(&topic).await, []);
    let again = lab.append(&topic, vec![event.clone()]).await[0];
    assert_eq!(again, Outcome { duplicate: true, ..first });
    lab.reopen().await;
    assert_eq!(lab.append_at(&topic, 9, vec![event]).await.unwrap().outcomes, [again]);
    assert_eq!(lab.head(&topic).await, 1);
}

/// A day after its event, and once that has expired, a request is as good as new; positions, counts and marks go on.
pub(super) async fn repetitions_are_forgotten_in_the_end(lab: &mut Lab) {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    const T: u64 = 1_000;
    let (topic, ann) = (fresh_topic(), user("ann"));
    let at = |at, client: &ClientId| NewEvent { at: UnixMs(at), ..new_event(&ann, client) };
    let request = fresh_client();
    let first = lab.append(&topic, vec![at(T, &request)]).await[0];
    // Enough for a backend to begin another part of the log.
    for n in 1..=6 {
        lab.append(&topic, vec![at(T + n, &fresh_client())]).await;
    }
    let seen = Position { seq: Seq(5), count: 5 };
    lab.store.mark(&topic, &ann, MarkKind::Read, seen).await.unwrap();
    let duplicate = Outcome { duplicate: true, ..first };
    assert_eq!(lab.append(&topic, vec![at(T + DAY - 1, &request)]).await, [duplicate]);
    // The same after retention of no more than a few hours.
    let expire = async |before| lab.store.expire(TopicKind::Conversation, UnixMs(before)).await.unwrap();
    expire(T + 100).await;
    let epoch = lab.store.heads(std::slice::from_ref(&topic)).await.unwrap()[0].epoch;
    let head = Head { epoch, seq: Seq(7), first: Seq(8), count: 7, at: None };
    assert_eq!(lab.store.heads(std::slice::from_ref(&topic)).await.unwrap(), [head]);
    assert_eq!(lab.append(&topic, vec![at(T + DAY - 1, &request)]).await, [duplicate]);
    expire(T + 6 + DAY).await;
    expire(T + 6 + DAY + 1).await;
    assert_eq!(lab.store.heads(std::slice::from_ref(&topic)).await.unwrap(), [head]);
    assert_eq!(lab.read(&topic, From::Latest, 9).await.head, head);
    lab.reopen().await;
    let again = lab.append(&topic, vec![at(T + 2 * DAY, &request)]).await[0];
    assert_eq!((again.seq, again.count, again.duplicate), (Seq(8), 8, false));
    assert_eq!(seqs(&lab.whole(&topic).await), [8]);
    // Unread is what counts since the mark.
    let mark = lab.store.marks_of(&ann, std::slice::from_ref(&topic)).await.unwrap()[0];
    let head = lab.store.heads(std::slice::from_ref(&topic)).await.unwrap()[0];
    assert_eq!((mark.read, head.count - mark.read.count), (seen, 3));
}

pub(super) async fn kinds_expire_apart(lab: &mut Lab) {
    let org = fresh_org();
    let kinds = [TopicKind::Conversation, TopicKind::Notice, TopicKind::UrgentNotice];
    let topics = kinds.map(|kind| topic_in(&org, kind, "k"));
    for topic in &topics {
        // More than a backend would remove in one step.
        for _ in 0..7 {
            let event = |_| NewEvent { at: UnixMs(10), ..new_event(&user("ann"), &fresh_client()) };
            lab.append(topic, (0..100).map(event).collect()).await;
        }
    }
    let gone = lab.store.expire(TopicKind::Notice, UnixMs(11)).await.unwrap();
    assert!(gone >= 700);
    for (topic, left) in topics.iter().zip([700, 0, 700]) {
        assert_eq!(lab.whole(topic).await.len(), left, "{topic}");
    }
}
