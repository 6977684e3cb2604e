//! Marks.

use fanfare_proto::{Seq, TopicKind};

use super::lab::{Lab, fresh_org, fresh_topic, topic_in, user};
use crate::store::{Mark, MarkKind, Position};

const fn at(seq: u64, count: u64) -> Position {
    Position { seq: Seq(seq), count }
}

pub(super) async fn marks_never_go_back(lab: &mut Lab) {
    let topic = fresh_topic();
    let (ann, ben) = (user("ann"), user("ben"));
    let mark = |user, kind, to| lab.store.mark(&topic, user, kind, to);
    let both = |delivered, read| Ok(Mark { delivered, read });
    assert_eq!(mark(&ann, MarkKind::Delivered, at(5, 3)).await, both(at(5, 3), at(0, 0)));
    assert_eq!(mark(&ann, MarkKind::Delivered, at(4, 2)).await, both(at(5, 3), at(0, 0)));
    assert_eq!(mark(&ann, MarkKind::Delivered, at(5, 3)).await, both(at(5, 3), at(0, 0)));
    // The kinds are independent: a device may have shown what another one's receipt is still missing for.
    assert_eq!(mark(&ann, MarkKind::Read, at(7, 4)).await, both(at(5, 3), at(7, 4)));
    assert_eq!(mark(&ann, MarkKind::Read, at(1, 1)).await, both(at(5, 3), at(7, 4)));
    assert_eq!(mark(&ann, MarkKind::Delivered, at(9, 6)).await, both(at(9, 6), at(7, 4)));
    assert_eq!(mark(&ben, MarkKind::Read, at(2, 2)).await, both(at(0, 0), at(2, 2)));
    let (of_ann, of_ben) = (both(at(9, 6), at(7, 4)).unwrap(), both(at(0, 0), at(2, 2)).unwrap());
    assert_eq!(lab.store.marks(&topic).await.unwrap(), [(ann, of_ann), (ben, of_ben)]);
    // A mark is no event.
    assert_eq!(lab.head(&topic).await, 0);
}

pub(super) async fn marks_of_many(lab: &mut Lab) {
    let org = fresh_org();
    let topics = ["a", "b", "c"].map(|key| topic_in(&org, TopicKind::Conversation, key));
    let ann = user("ann");
    for (topic, seq) in topics.iter().zip([3, 0, 8]).filter(|(_, seq)| *seq > 0) {
        lab.store.mark(topic, &ann, MarkKind::Read, at(seq, 0)).await.unwrap();
    }
    let asked = [topics[2].clone(), topics[1].clone(), topics[0].clone(), fresh_topic(), topics[2].clone()];
    let marks = lab.store.marks_of(&ann, &asked).await.unwrap();
    assert_eq!(marks.iter().map(|mark| mark.read.seq.0).collect::<Vec<_>>(), [8, 0, 3, 0, 8]);
    assert_eq!(lab.store.marks_of(&user("ben"), &topics).await.unwrap(), [Mark::default(); 3]);
    assert_eq!(lab.store.marks_of(&ann, &[]).await.unwrap(), []);
    assert_eq!(lab.store.marks(&fresh_topic()).await.unwrap(), []);
}
