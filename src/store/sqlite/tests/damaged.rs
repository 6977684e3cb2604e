//! Rows that do not decode, beside rows that do.

use fanfare_proto::{Fix, Motion, Position};

use super::*;
use crate::store::{MarkKind, Roll, damage};

async fn change(store: &Sqlite, sql: &'static str) {
    let changed =
        store.core.call(Lane::Ordered, 8, move |core| Ok(core.connection().execute(sql, [])?)).await.unwrap();
    assert_eq!(changed, 1, "{sql}");
}

#[tokio::test]
async fn an_event_that_does_not_decode_keeps_its_place_and_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    for n in 1..=9 {
        store.append(append(TopicKind::Conversation, n, 1)).await.unwrap();
    }
    change(&store, "UPDATE event SET author = 'no id' WHERE seq = 2").await;
    change(&store, "UPDATE event SET client_id = '' WHERE seq = 4").await;
    change(&store, "UPDATE event SET name = CAST(x'ff' AS TEXT) WHERE seq = 5").await;
    change(&store, "UPDATE event SET at = -1 WHERE seq = 9").await;
    let topic = topic(TopicKind::Conversation);
    for (from, limit) in [(From::After(Seq::ZERO), 100), (From::Latest, 100)] {
        let page = store.read(&topic, from, limit, usize::MAX).await.unwrap();
        let seqs: Vec<_> = page.events.iter().map(|event| event.seq.0).collect();
        assert_eq!((seqs, page.more), ((1..=9).collect(), false));
        let lost: Vec<_> = page
            .events
            .iter()
            .filter(|event| event.name == "event:unreadable")
            .map(|event| event.seq.0)
            .collect();
        assert_eq!(lost, [2, 4, 5, 9]);
        // What is known of it stays.
        assert_eq!((page.events[3].author.as_str(), page.events[3].count), ("ann", 4));
        assert_eq!(page.events[1].author, UserId::unknown());
    }
    let one = store.read(&topic, From::Before(Seq(6)), 1, usize::MAX).await.unwrap();
    assert_eq!((one.events[0].seq, one.more), (Seq(5), true));
    let head = store.heads(std::slice::from_ref(&topic)).await.unwrap()[0];
    assert_eq!((head.seq, head.at), (Seq(9), None));
    // Data that is no JSON is as good as none, for those who are sent it.
    let event = Event { data: Bytes::from_static(b"{\"te"), ..one.events[0].clone() };
    assert_eq!(event.checked(&topic).data, Bytes::from_static(b"{}"));
    damage::note("event", &"twice", &"it is logged once");
}

#[tokio::test]
async fn marks_records_and_topics_that_do_not_decode_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    store.append(append(TopicKind::Conversation, 1, 1)).await.unwrap();
    store.append(append(TopicKind::Notice, 1, 1)).await.unwrap();
    let topic = topic(TopicKind::Conversation);
    let at = crate::store::Position { seq: Seq(1), count: 1 };
    for user in ["ann", "bob", "cat"] {
        store.mark(&topic, &UserId::new(user).unwrap(), MarkKind::Read, at).await.unwrap();
    }
    change(&store, "UPDATE mark SET user = 'no id' WHERE user = 'ann'").await;
    change(&store, "UPDATE mark SET read = -1 WHERE user = 'bob'").await;
    let marks = store.marks(&topic).await.unwrap();
    assert_eq!(marks.iter().map(|(user, _)| user.as_str()).collect::<Vec<_>>(), ["cat"]);
    let bob = UserId::new("bob").unwrap();
    assert_eq!(store.marks_of(&bob, std::slice::from_ref(&topic)).await.unwrap()[0].read.seq, Seq::ZERO);

    let slot = |n: usize| Slot {
        org: topic.org.clone(),
        kind: RecordKind::Membership,
        partition: "p".to_owned(),
        key: format!("k{n}"),
    };
    for n in 0..6 {
        let put = Put { value: Some(Bytes::from_static(b"{}")), expires: None };
        store.put(&slot(n), None, put, UnixMs(1)).await.unwrap();
    }
    change(&store, "UPDATE record SET version = -1 WHERE key = 'k1'").await;
    let listed = store.list(&topic.org, RecordKind::Membership, "p", None, 3, UnixMs(1)).await.unwrap();
    // A page is full while there is more: who reads it takes one that is not for the last.
    assert_eq!(listed.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["k0", "k2", "k3"]);

    change(&store, "UPDATE topic SET key = 'no id' WHERE kind = 'notice'").await;
    let rolled = store.roll(Roll::Topics, None, 10).await.unwrap();
    assert_eq!(rolled.entries.len(), 1);
}

#[tokio::test]
async fn fixes_that_do_not_decode_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), &Options::default());
    let (org, agent) = (topic(TopicKind::Notice).org, UserId::new("van").unwrap());
    let fix = |n: u64| StoredFix {
        org: org.clone(),
        agent: agent.clone(),
        source: 1,
        class: FixClass::Standard,
        fix: Fix {
            counter: n,
            time: UnixMs(n),
            position: Position::from_e7(1, 2).unwrap(),
            motion: Motion::from_raw(None, None, None, None).unwrap(),
        },
    };
    store.put_fixes((1..=6).map(fix).collect()).await.unwrap();
    let spoil = |sql: &'static str| {
        store.ticks.call(Lane::Ordered, 8, move |ticks| Ok(ticks.connection().execute(sql, [])?))
    };
    assert_eq!(spoil("UPDATE fix_0 SET lat = 2000000000 WHERE counter = 2").await, Ok(1));
    let span = UnixMs(0)..=UnixMs(100);
    let track = store.track(&org, &agent, span.clone(), None, 3).await.unwrap();
    assert_eq!(track.iter().map(|fix| fix.fix.counter).collect::<Vec<_>>(), [1, 3, 4]);
    let window = store.window(&org, None, span, None, 3).await.unwrap();
    assert_eq!(window.fixes.len(), 3);
    assert!(window.next.is_some());
    assert_eq!(spoil("UPDATE newest SET lat = 2000000000").await, Ok(1));
    assert_eq!(store.latest(&org, UnixMs(0)).await, Ok(Vec::new()));
}
