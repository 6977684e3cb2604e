//! Search.

use fanfare_proto::{Seq, TopicKind, UnixMs};

use super::lab::{Lab, fresh_client, fresh_org, fresh_topic, new_event, topic_in, user};
use crate::{id::Topic, store::NewEvent};

/// Fills a topic with texts, one event each.
async fn tell(lab: &Lab, topic: &Topic, texts: &[&str]) {
    let first = lab.head(topic).await + 1;
    lab.fill(topic, texts.len() as u64).await;
    for (seq, text) in (first..).zip(texts) {
        lab.store.index_text(topic, Seq(seq), text).await.unwrap();
    }
}

async fn find(lab: &Lab, topic: &Topic, query: &str) -> Vec<u64> {
    let found = lab.store.search_text(std::slice::from_ref(topic), query, 100).await.unwrap();
    assert!(found.iter().all(|(of, _)| of == topic));
    found.into_iter().map(|(_, seq)| seq.0).collect()
}

pub(super) async fn every_word_must_be_there(lab: &mut Lab) {
    let topic = fresh_topic();
    tell(lab, &topic, &["The red car", "a blue car", "RED, red wine!", "nothing", "Grüße aus Köln"]).await;
    assert_eq!(find(lab, &topic, "car").await, [2, 1]);
    assert_eq!(find(lab, &topic, "red").await, [3, 1]);
    assert_eq!(find(lab, &topic, "CAR red").await, [1]);
    assert_eq!(find(lab, &topic, "car wine").await, [0; 0]);
    assert_eq!(find(lab, &topic, "ca").await, [0; 0]);
    assert_eq!(find(lab, &topic, "köln").await, [5]);
    let two = lab.store.search_text(std::slice::from_ref(&topic), "red", 1).await.unwrap();
    assert_eq!(two, [(topic, Seq(3))]);
}

pub(super) async fn only_in_the_topics_given(lab: &mut Lab) {
    let org = fresh_org();
    let [a, b, c] = ["a", "b", "c"].map(|key| topic_in(&org, TopicKind::Conversation, key));
    for (topic, at) in [(&a, 10), (&b, 30), (&c, 20), (&a, 40), (&b, 25)] {
        let event = NewEvent { at: UnixMs(at), ..new_event(&user("ann"), &fresh_client()) };
        let seq = lab.append(topic, vec![event]).await[0].seq;
        lab.store.index_text(topic, seq, "same words").await.unwrap();
    }
    let search = |topics: Vec<Topic>, limit| {
        let store = &lab.store;
        async move { store.search_text(&topics, "words", limit).await.unwrap() }
    };
    let all = search(vec![a.clone(), b.clone(), c.clone()], 100).await;
    // The newest first, by the events' times.
    let expected =
        [(&a, 2), (&b, 1), (&b, 2), (&c, 1), (&a, 1)].map(|(topic, seq)| (topic.clone(), Seq(seq)));
    assert_eq!(all, expected);
    assert_eq!(search(vec![c.clone(), a.clone(), b.clone()], 2).await, expected[..2]);
    assert_eq!(search(vec![c.clone()], 100).await, [(c, Seq(1))]);
    assert_eq!(search(Vec::new(), 100).await, []);
    assert_eq!(search(vec![topic_in(&fresh_org(), TopicKind::Conversation, "a")], 100).await, []);
}

/// A user may be in more topics than a backend asks for at once.
pub(super) async fn many_topics_at_once(lab: &mut Lab) {
    let org = fresh_org();
    let topics: Vec<_> =
        (0..600).map(|n| topic_in(&org, TopicKind::Conversation, &format!("t{n}"))).collect();
    // Every other one holds something; the rest was never written to.
    for (n, topic) in topics.iter().enumerate().step_by(2) {
        let event = NewEvent { at: UnixMs(n as u64 + 1), ..new_event(&user("ann"), &fresh_client()) };
        lab.append(topic, vec![event]).await;
        lab.store.index_text(topic, Seq(1), "common").await.unwrap();
    }
    let all = lab.store.search_text(&topics, "common", 1_000).await.unwrap();
    let newest: Vec<_> =
        topics.iter().rev().skip(1).step_by(2).map(|topic| (topic.clone(), Seq(1))).collect();
    assert_eq!(all, newest);
    assert_eq!(lab.store.search_text(&topics, "common", 3).await.unwrap(), newest[..3]);
}

pub(super) async fn texts_are_replaced_and_removed(lab: &mut Lab) {
    let topic = fresh_topic();
    tell(lab, &topic, &["old words", "other words"]).await;
    lab.store.index_text(&topic, Seq(1), "new words").await.unwrap();
    lab.store.index_text(&topic, Seq(1), "new words").await.unwrap();
    assert_eq!(find(lab, &topic, "old").await, [0; 0]);
    assert_eq!(find(lab, &topic, "new").await, [1]);
    assert_eq!(find(lab, &topic, "words").await, [2, 1]);
    lab.store.index_text(&topic, Seq(2), "").await.unwrap();
    lab.store.index_text(&topic, Seq(2), "").await.unwrap();
    assert_eq!(find(lab, &topic, "words").await, [1]);
    lab.store.index_text(&topic, Seq(2), "back again").await.unwrap();
    assert_eq!(find(lab, &topic, "again").await, [2]);
    // What can no longer be read is no longer found.
    lab.store.expire(TopicKind::Conversation, UnixMs(2)).await.unwrap();
    assert_eq!(find(lab, &topic, "words").await, [0; 0]);
    assert_eq!(find(lab, &topic, "again").await, [2]);
    lab.store.index_text(&topic, Seq(1), "words too late").await.unwrap();
    assert_eq!(find(lab, &topic, "words").await, [0; 0]);
}

pub(super) async fn queries_are_no_syntax(lab: &mut Lab) {
    let topic = fresh_topic();
    tell(lab, &topic, &["alpha beta", "gamma", "call 555-1234 now", "mail a.b@example.org"]).await;
    for query in ["", "   ", "\"", "*", "()", "!!! ???", "\0"] {
        assert_eq!(find(lab, &topic, query).await, [0; 0], "{query:?}");
    }
    for query in ["alpha OR gamma", "alpha NOT beta", "alpha NEAR beta", "nosuch:alpha", "-alpha x"] {
        assert_eq!(find(lab, &topic, query).await, [0; 0], "{query:?}");
    }
    for query in
        ["\"alpha\"", "alpha\" \"beta", "(alpha)", "beta*", "^alpha", "'alpha'", "alpha ;", "alpha \0 beta"]
    {
        assert_eq!(find(lab, &topic, query).await, [1], "{query:?}");
    }
    assert_eq!(find(lab, &topic, "555-1234").await, [3]);
    assert_eq!(find(lab, &topic, "a.b@example.org").await, [4]);
    let long = "alpha ".repeat(5_000);
    assert_eq!(find(lab, &topic, &long).await, [1]);
}
