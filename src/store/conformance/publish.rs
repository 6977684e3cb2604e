//! What is durable is published.

use std::sync::Arc;

use fanfare_proto::Seq;

use super::lab::{Lab, fresh_client, fresh_topic, new_event, seqs, to_append, user};
use crate::{id::Audience, store::Append};

pub(super) async fn in_order_and_before_the_answer(lab: &mut Lab) {
    let topic = fresh_topic();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (store, heard, topic) = (Arc::clone(&lab.store), Arc::clone(&lab.heard), topic.clone());
            tokio::spawn(async move {
                let author = user(&format!("u{task}"));
                for events in 1..=10 {
                    let events = (0..=events % 3).map(|_| new_event(&author, &fresh_client())).collect();
                    let outcomes = store.append(to_append(&topic, None, events)).await.unwrap().outcomes;
                    let heard = seqs(&heard.events_of(&topic));
                    assert!(outcomes.iter().all(|outcome| heard.contains(&outcome.seq.0)), "answered first");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let heard = lab.heard.events_of(&topic);
    assert_eq!(seqs(&heard), (1..=lab.head(&topic).await).collect::<Vec<_>>());
    assert_eq!(heard, lab.whole(&topic).await);
}

pub(super) async fn only_what_is_new(lab: &mut Lab) {
    let topic = fresh_topic();
    let (ann, request) = (user("ann"), fresh_client());
    let members: Arc<[_]> = Arc::new([user("ben"), user("cid")]);
    let append = Append {
        audience: Audience::Members(Arc::clone(&members)),
        ..to_append(&topic, None, vec![new_event(&ann, &request)])
    };
    let epoch = lab.store.append(append.clone()).await.unwrap().epoch;
    let published = lab.heard.of(&topic);
    assert_eq!((published.len(), published[0].epoch), (1, epoch));
    assert!(matches!(&published[0].audience, Audience::Members(to) if *to == members));

    lab.store.append(append).await.unwrap();
    lab.append_at(&topic, 0, vec![new_event(&ann, &fresh_client())]).await.unwrap_err();
    lab.append(&topic, Vec::new()).await;
    lab.store.amend(&topic, Seq(1), 0, "test:edited".to_owned(), "{}".into()).await.unwrap();
    assert_eq!(lab.heard.of(&topic).len(), 1);

    lab.append(&topic, vec![new_event(&ann, &request), new_event(&ann, &fresh_client())]).await;
    assert_eq!(seqs(&lab.heard.events_of(&topic)), [1, 2]);
}
