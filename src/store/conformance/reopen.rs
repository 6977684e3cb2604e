//! Closing and opening again.

use bytes::Bytes;
use fanfare_proto::{Seq, TopicKind, UnixMs};

use super::{
    lab::{Lab, fresh, fresh_client, fresh_topic, new_event, seqs, user},
    track::stored,
};
use crate::store::{From, MarkKind, NewEvent, Position, Put, RecordKind, Slot, StoreError};

pub(super) async fn everything_is_still_there(lab: &mut Lab) {
    let topic = fresh_topic();
    let ann = user("ann");
    lab.fill(&topic, 5).await;
    let event = NewEvent { at: UnixMs(9), ..new_event(&ann, &fresh_client()) };
    let first = lab.append(&topic, vec![event.clone()]).await[0];
    lab.store.amend(&topic, Seq(4), 0, "test:edited".to_owned(), Bytes::from_static(b"[]")).await.unwrap();
    lab.store.expire(TopicKind::Conversation, UnixMs(3)).await.unwrap();
    let slot = Slot {
        org: topic.org.clone(),
        kind: RecordKind::Membership,
        partition: "p".to_owned(),
        key: "k".to_owned(),
    };
    let put = |text: &'static str| Put { value: Some(Bytes::from_static(text.as_bytes())), expires: None };
    lab.store.put(&slot, None, put("a"), UnixMs(1)).await.unwrap();
    lab.store.put(&slot, Some(1), Put { value: None, expires: None }, UnixMs(1)).await.unwrap();
    lab.store
        .put_fixes(vec![stored(&topic.org, &ann, 50, 1, 1), stored(&topic.org, &ann, 40, 1, 2)])
        .await
        .unwrap();
    lab.store.mark(&topic, &ann, MarkKind::Read, Position { seq: Seq(3), count: 2 }).await.unwrap();
    lab.store.index_text(&topic, Seq(4), "findable").await.unwrap();

    let before = lab.read(&topic, From::Latest, 100).await;
    lab.reopen().await;
    let after = lab.read(&topic, From::Latest, 100).await;
    assert_eq!((after.head, after.events, after.more), (before.head, before.events, before.more));
    let again = lab.append(&topic, vec![event, new_event(&ann, &fresh_client())]).await;
    assert_eq!((again[0].seq, again[0].duplicate, again[1].seq), (first.seq, true, Seq(7)));
    assert_eq!(seqs(&lab.heard.events_of(&topic)), (1..=7).collect::<Vec<_>>());
    assert_eq!(lab.store.put(&slot, None, put("b"), UnixMs(1)).await, Ok(3));
    assert_eq!(lab.store.latest(&topic.org, UnixMs(0)).await.unwrap()[0].fix.time, UnixMs(50));
    let marks = lab.store.marks_of(&ann, std::slice::from_ref(&topic)).await.unwrap();
    assert_eq!(marks[0].read.seq, Seq(3));
    let found = lab.store.search_text(std::slice::from_ref(&topic), "findable", 9).await.unwrap();
    assert_eq!(found, [(topic, Seq(4))]);
}

pub(super) async fn closed_answers_unavailable(lab: &mut Lab) {
    let topic = fresh_topic();
    lab.fill(&topic, 1).await;
    let closed = std::sync::Arc::clone(&lab.store);
    lab.reopen().await;
    closed.close().await;
    let unavailable = |error: StoreError| matches!(error, StoreError::Unavailable(_));
    assert!(unavailable(closed.heads(std::slice::from_ref(&topic)).await.unwrap_err()));
    assert!(unavailable(closed.clear_timer(&fresh()).await.unwrap_err()));
    assert!(unavailable(
        closed.put_fixes(vec![stored(&topic.org, &user("ann"), 5, 1, 1)]).await.unwrap_err()
    ));
    assert_eq!(lab.head(&topic).await, 1);
}
