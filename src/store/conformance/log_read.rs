//! Reading logs.

use bytes::Bytes;
use fanfare_proto::{Seq, TopicKind, UnixMs};

use super::lab::{Lab, fresh_client, fresh_org, fresh_topic, new_event, seqs, topic_in, user};
use crate::store::{From, Head, NewEvent};

pub(super) async fn pages_in_both_directions(lab: &mut Lab) {
    let topic = fresh_topic();
    lab.fill(&topic, 10).await;
    let after = |seq| From::After(Seq(seq));
    let before = |seq| From::Before(Seq(seq));
    let table: &[(From, usize, &[u64], bool)] = &[
        (after(0), 3, &[1, 2, 3], true),
        (after(3), 7, &[4, 5, 6, 7, 8, 9, 10], false),
        (after(3), 6, &[4, 5, 6, 7, 8, 9], true),
        (after(9), 5, &[10], false),
        (after(10), 5, &[], false),
        (after(u64::MAX), 5, &[], false),
        (after(4), 0, &[], true),
        (before(4), 2, &[2, 3], true),
        (before(4), 3, &[1, 2, 3], false),
        (before(4), 9, &[1, 2, 3], false),
        (before(1), 9, &[], false),
        (before(0), 9, &[], false),
        (before(u64::MAX), 2, &[9, 10], true),
        (From::Latest, 4, &[7, 8, 9, 10], true),
        (From::Latest, 10, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], false),
        (From::Latest, 0, &[], true),
    ];
    for (from, limit, expected, more) in table {
        let page = lab.read(&topic, *from, *limit).await;
        assert_eq!((&seqs(&page.events)[..], page.more), (*expected, *more), "{from:?} limit {limit}");
        assert_eq!((page.head.seq, page.head.first, page.head.count), (Seq(10), Seq(1), 10));
    }
    let nothing = lab.read(&fresh_topic(), From::Latest, 10).await;
    assert!(nothing.events.is_empty() && !nothing.more);
}

pub(super) async fn pages_are_bounded_in_bytes(lab: &mut Lab) {
    let topic = fresh_topic();
    for size in [100, 100, 500, 10, 10] {
        let data = Bytes::from(vec![b' '; size]);
        lab.append(&topic, vec![NewEvent { data, ..new_event(&user("ann"), &fresh_client()) }]).await;
    }
    let table: &[(From, usize, &[u64], bool)] = &[
        (From::After(Seq(0)), 200, &[1, 2], true),
        (From::After(Seq(0)), 199, &[1], true),
        (From::After(Seq(0)), 0, &[1], true),
        (From::After(Seq(2)), 1, &[3], true),
        (From::After(Seq(2)), 520, &[3, 4, 5], false),
        (From::After(Seq(4)), 1, &[5], false),
        (From::Latest, 20, &[4, 5], true),
        (From::Latest, 1, &[5], true),
        (From::Before(Seq(3)), 150, &[2], true),
        (From::Before(Seq(2)), 0, &[1], false),
    ];
    for (from, max_bytes, expected, more) in table {
        let page = lab.store.read(&topic, *from, 100, *max_bytes).await.unwrap();
        assert_eq!((&seqs(&page.events)[..], page.more), (*expected, *more), "{from:?} of {max_bytes} bytes");
    }
}

/// Page after page, in either direction, while others append.
pub(super) async fn a_long_log_is_read_whole(lab: &mut Lab) {
    const EVENTS: u64 = 1_500;
    let topic = fresh_topic();
    let ann = user("ann");
    for _ in 0..EVENTS / 100 {
        lab.append(&topic, (0..100).map(|_| new_event(&ann, &fresh_client())).collect()).await;
    }
    let (mut rising, mut cursor) = (Vec::new(), Seq::ZERO);
    loop {
        let page = lab.read(&topic, From::After(cursor), 70).await;
        rising.extend(seqs(&page.events));
        if !page.more {
            break;
        }
        cursor = page.events.last().unwrap().seq;
    }
    assert_eq!(rising, (1..=EVENTS).collect::<Vec<_>>());

    let (mut falling, mut from) = (Vec::new(), From::Latest);
    loop {
        let page = lab.read(&topic, from, 70).await;
        falling.extend(seqs(&page.events).into_iter().rev());
        lab.fill(&topic, 1).await;
        if !page.more {
            break;
        }
        from = From::Before(page.events[0].seq);
    }
    assert_eq!(falling, (1..=EVENTS).rev().collect::<Vec<_>>());
}

pub(super) async fn heads_in_the_order_asked(lab: &mut Lab) {
    let org = fresh_org();
    let topics: Vec<_> = ["a", "b", "c"].map(|key| topic_in(&org, TopicKind::Conversation, key)).into();
    lab.fill(&topics[0], 2).await;
    let quiet = NewEvent { countable: false, ..new_event(&user("ann"), &fresh_client()) };
    lab.append(&topics[2], vec![quiet]).await;
    let asked = [topics[2].clone(), topics[1].clone(), topics[0].clone(), topics[2].clone()];
    let heads = lab.store.heads(&asked).await.unwrap();
    let epoch = heads[0].epoch;
    assert_ne!(epoch.0, 0);
    let one = Head { epoch, seq: Seq(1), first: Seq(1), count: 0, at: Some(UnixMs(1)) };
    let two = Head { epoch, seq: Seq(2), first: Seq(1), count: 2, at: Some(UnixMs(2)) };
    assert_eq!(heads, [one, Head::empty(epoch), two, one]);
    assert_eq!(lab.store.heads(&[]).await.unwrap(), []);
    // Asking creates nothing, and the epoch told for an empty topic is the one that its first event gets.
    let appended =
        lab.append_at(&topics[1], 0, vec![new_event(&user("ann"), &fresh_client())]).await.unwrap();
    assert_eq!((appended.epoch, appended.outcomes[0].seq), (epoch, Seq(1)));
}
