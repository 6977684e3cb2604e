//! Appending and amending.

use bytes::Bytes;
use fanfare_proto::{Seq, TopicKind, UnixMs, UserId};

use super::lab::{Lab, client, fresh, fresh_client, fresh_org, fresh_topic, new_event, seqs, topic_in, user};
use crate::store::{Event, NewEvent, Outcome, StoreError};

pub(super) async fn positions_rise_without_gaps(lab: &mut Lab) {
    let topic = fresh_topic();
    let ann = user("ann");
    let event = |at, countable| NewEvent { at: UnixMs(at), countable, ..new_event(&ann, &fresh_client()) };
    let first = lab.append(&topic, vec![event(10, true)]).await;
    assert_eq!(first, [Outcome { seq: Seq(1), at: UnixMs(10), count: 1, duplicate: false }]);
    let next = lab.append(&topic, vec![event(20, false), event(15, true)]).await;
    assert_eq!(
        next,
        [
            Outcome { seq: Seq(2), at: UnixMs(20), count: 1, duplicate: false },
            Outcome { seq: Seq(3), at: UnixMs(15), count: 2, duplicate: false },
        ]
    );
    assert_eq!(lab.append(&topic, Vec::new()).await, []);
    let events = lab.whole(&topic).await;
    let stored = |event: &Event| (event.seq.0, event.at.0, event.count, event.revision);
    assert_eq!(events.iter().map(stored).collect::<Vec<_>>(), [(1, 10, 1, 0), (2, 20, 1, 0), (3, 15, 2, 0)]);
}

pub(super) async fn topics_are_apart(lab: &mut Lab) {
    let (org, other) = (fresh_org(), fresh_org());
    let topics = [
        topic_in(&org, TopicKind::Conversation, "a"),
        topic_in(&org, TopicKind::Conversation, "A"),
        topic_in(&org, TopicKind::Notice, "a"),
        topic_in(&other, TopicKind::Conversation, "a"),
    ];
    let same = new_event(&user("ann"), &fresh_client());
    for topic in &topics {
        let outcome = lab.append(topic, vec![same.clone()]).await[0];
        assert_eq!((outcome.seq, outcome.duplicate), (Seq(1), false), "{topic}");
    }
    for topic in &topics {
        assert_eq!(seqs(&lab.whole(topic).await), [1]);
    }
}

pub(super) async fn repetitions_change_nothing(lab: &mut Lab) {
    let topic = fresh_topic();
    let (ann, ben, request) = (user("ann"), user("ben"), fresh_client());
    lab.fill(&topic, 2).await;
    let event = NewEvent { at: UnixMs(77), ..new_event(&ann, &request) };
    let first = lab.append(&topic, vec![event.clone()]).await[0];
    lab.fill(&topic, 1).await;
    let later =
        NewEvent { at: UnixMs(99), data: Bytes::from_static(b"{\"other\":1}"), countable: false, ..event };
    let again = lab.append(&topic, vec![later.clone()]).await[0];
    assert_eq!(again, Outcome { duplicate: true, ..first });
    assert_eq!(again.at, UnixMs(77));

    // The author is part of what makes it the same.
    let other = lab.append(&topic, vec![NewEvent { author: ben, ..later.clone() }]).await[0];
    assert_eq!((other.seq, other.duplicate), (Seq(5), false));

    // Among new ones.
    let mixed = vec![new_event(&ann, &fresh_client()), later, new_event(&ann, &fresh_client())];
    let mixed = lab.append(&topic, mixed).await;
    assert_eq!(
        mixed.iter().map(|o| (o.seq.0, o.duplicate)).collect::<Vec<_>>(),
        [(6, false), (3, true), (7, false)]
    );
    let events = lab.whole(&topic).await;
    assert_eq!(seqs(&events), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((events[2].at, &events[2].data[..]), (UnixMs(77), &b"{}"[..]));
}

pub(super) async fn repetitions_within_an_append(lab: &mut Lab) {
    let topic = fresh_topic();
    let (a, b) = (new_event(&user("ann"), &fresh_client()), new_event(&user("ann"), &fresh_client()));
    let outcomes = lab.append(&topic, vec![a.clone(), b.clone(), a.clone(), b]).await;
    let short: Vec<_> = outcomes.iter().map(|o| (o.seq.0, o.count, o.duplicate)).collect();
    assert_eq!(short, [(1, 1, false), (2, 2, false), (1, 1, true), (2, 2, true)]);
    assert_eq!(seqs(&lab.whole(&topic).await), [1, 2]);
}

pub(super) async fn an_expected_head_must_hold(lab: &mut Lab) {
    let topic = fresh_topic();
    let ann = user("ann");
    let event = || new_event(&ann, &fresh_client());
    let conflict = |actual| Err(StoreError::Conflict { actual });
    assert_eq!(lab.append_at(&topic, 1, vec![event()]).await, conflict(0));
    let first = event();
    assert_eq!(lab.append_at(&topic, 0, vec![first.clone()]).await.unwrap().outcomes[0].seq, Seq(1));
    assert_eq!(lab.append_at(&topic, 0, vec![event()]).await, conflict(1));
    assert_eq!(lab.append_at(&topic, 2, vec![event()]).await, conflict(1));
    assert_eq!(lab.append_at(&topic, 1, vec![event(), event()]).await.unwrap().outcomes[1].seq, Seq(3));

    // Repetitions answer as such whatever the head; with anything new among them the head counts.
    let again = lab.append_at(&topic, 0, vec![first.clone()]).await.unwrap();
    assert_eq!(again.outcomes[0], Outcome { seq: Seq(1), at: first.at, count: 1, duplicate: true });
    assert_eq!(lab.append_at(&topic, 0, vec![first.clone(), event()]).await, conflict(3));
    assert_eq!(lab.append_at(&topic, 3, vec![first, event()]).await.unwrap().outcomes[1].seq, Seq(4));
    assert_eq!(seqs(&lab.whole(&topic).await), [1, 2, 3, 4]);
}

pub(super) async fn any_content_comes_back(lab: &mut Lab) {
    let topic = fresh_topic();
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(1 << 20));
    let longest = UserId::new(&"u".repeat(128)).unwrap();
    for data in ["", "{}", "{\"text\":\"\\u0000 \u{1F600} \u{5E9}\u{5DC} '); DROP TABLE event; --\"}", &large]
    {
        let id = client(&format!("{}+=|~:@._-", fresh()));
        let data = Bytes::copy_from_slice(data.as_bytes());
        let event =
            NewEvent { data: data.clone(), name: "größe:'x'".to_owned(), ..new_event(&longest, &id) };
        let seq = lab.append(&topic, vec![event]).await[0].seq;
        let read = lab.whole(&topic).await.pop().unwrap();
        assert_eq!((read.seq, read.author, read.client_id), (seq, longest.clone(), id));
        assert!(read.data == data && read.name == "größe:'x'");
    }
}

pub(super) async fn amending_replaces(lab: &mut Lab) {
    let topic = fresh_topic();
    lab.fill(&topic, 3).await;
    let before = lab.whole(&topic).await;
    let amend = |seq, revision, text: &'static str| {
        lab.store.amend(
            &topic,
            Seq(seq),
            revision,
            "test:edited".to_owned(),
            Bytes::from_static(text.as_bytes()),
        )
    };
    assert_eq!(amend(2, 0, "{\"a\":1}").await, Ok(1));
    assert_eq!(amend(2, 0, "{\"a\":2}").await, Err(StoreError::Conflict { actual: 1 }));
    assert_eq!(amend(2, 7, "{\"a\":2}").await, Err(StoreError::Conflict { actual: 1 }));
    assert_eq!(amend(2, 1, "{\"a\":3}").await, Ok(2));
    assert_eq!(amend(4, 0, "{}").await, Err(StoreError::NotFound));
    assert_eq!(amend(0, 0, "{}").await, Err(StoreError::NotFound));
    let nowhere = fresh_topic();
    let missing = lab.store.amend(&nowhere, Seq(1), 0, String::new(), Bytes::new()).await;
    assert_eq!(missing, Err(StoreError::NotFound));

    let mut expected = before;
    "test:edited".clone_into(&mut expected[1].name);
    expected[1].data = Bytes::from_static(b"{\"a\":3}");
    expected[1].revision = 2;
    assert_eq!(lab.whole(&topic).await, expected);
    // Amending is no append: the next position is what it would have been.
    lab.fill(&topic, 1).await;
    assert_eq!(lab.head(&topic).await, 4);
}
