//! What the cases work with: the store under test, what it published, and values of their own.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use fanfare_proto::{ClientId, Epoch, OrgId, Seq, TopicKey, TopicKind, TopicName, UnixMs, UserId};
use futures::future::BoxFuture;

use crate::{
    id::{Audience, Tenant, Topic},
    store::{Append, Appended, Committed, Event, From, NewEvent, Outcome, Page, Store, StoreError},
};

pub(super) type Open = Box<dyn Fn(Arc<dyn Committed>) -> BoxFuture<'static, Arc<dyn Store>> + Send + Sync>;

pub(super) struct Lab {
    open: Open,
    /// Random sequences of calls that are compared with the model.
    pub(super) sequences: u32,
    pub(super) store: Arc<dyn Store>,
    pub(super) heard: Arc<Heard>,
}

impl Lab {
    pub(super) async fn new(sequences: u32, open: Open) -> Self {
        let heard = Arc::new(Heard::default());
        let store = open(Arc::<Heard>::clone(&heard)).await;
        Self { open, sequences, store, heard }
    }

    /// Closes the store and opens it again.
    pub(super) async fn reopen(&mut self) {
        self.store.close().await;
        self.store = (self.open)(Arc::<Heard>::clone(&self.heard)).await;
    }

    /// Appends events of which nothing matters but their number; all are countable. Their time is their position.
    pub(super) async fn fill(&self, topic: &Topic, count: u64) {
        let head = self.head(topic).await;
        for seq in head + 1..=head + count {
            self.append(
                topic,
                vec![NewEvent { at: UnixMs(seq), ..new_event(&user("filler"), &fresh_client()) }],
            )
            .await;
        }
    }

    pub(super) async fn head(&self, topic: &Topic) -> u64 {
        self.store.heads(std::slice::from_ref(topic)).await.unwrap()[0].seq.0
    }

    pub(super) async fn append(&self, topic: &Topic, events: Vec<NewEvent>) -> Vec<Outcome> {
        self.store.append(to_append(topic, None, events)).await.unwrap().outcomes
    }

    pub(super) async fn append_at(
        &self,
        topic: &Topic,
        expect: u64,
        events: Vec<NewEvent>,
    ) -> Result<Appended, StoreError> {
        self.store.append(to_append(topic, Some(Seq(expect)), events)).await
    }

    pub(super) async fn read(&self, topic: &Topic, from: From, limit: usize) -> Page {
        self.store.read(topic, from, limit, usize::MAX).await.unwrap()
    }

    pub(super) async fn whole(&self, topic: &Topic) -> Vec<Event> {
        let page = self.read(topic, From::After(Seq::ZERO), usize::MAX).await;
        assert!(!page.more);
        page.events
    }
}

pub(super) fn to_append(topic: &Topic, expect: Option<Seq>, events: Vec<NewEvent>) -> Append {
    Append { topic: topic.clone(), expect, events, audience: Audience::Organisation }
}

pub(super) fn new_event(author: &UserId, client_id: &ClientId) -> NewEvent {
    NewEvent {
        author: author.clone(),
        client_id: client_id.clone(),
        at: UnixMs(1),
        name: "test:event".to_owned(),
        data: Bytes::from_static(b"{}"),
        countable: true,
    }
}

/// A text that nobody else has.
pub(super) fn fresh() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

pub(super) fn fresh_client() -> ClientId {
    client(&fresh())
}

pub(super) fn fresh_org() -> Tenant {
    Tenant::stored(OrgId::new(&fresh()).unwrap())
}

pub(super) fn fresh_topic() -> Topic {
    topic_in(&fresh_org(), TopicKind::Conversation, "c")
}

pub(super) fn topic_in(org: &Tenant, kind: TopicKind, key: &str) -> Topic {
    Topic { org: org.clone(), name: TopicName { kind, key: TopicKey::new(key).unwrap() } }
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(super) fn client(name: &str) -> ClientId {
    ClientId::new(name).unwrap()
}

pub(super) fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq.0).collect()
}

/// Everything that was published.
#[derive(Default)]
pub(super) struct Heard(Mutex<Vec<Published>>);

#[derive(Clone)]
pub(super) struct Published {
    pub(super) topic: Topic,
    pub(super) epoch: Epoch,
    pub(super) audience: Audience,
    pub(super) events: Vec<Event>,
}

impl Heard {
    pub(super) fn of(&self, topic: &Topic) -> Vec<Published> {
        self.0.lock().unwrap().iter().filter(|published| published.topic == *topic).cloned().collect()
    }

    pub(super) fn events_of(&self, topic: &Topic) -> Vec<Event> {
        self.of(topic).into_iter().flat_map(|published| published.events).collect()
    }
}

impl Committed for Heard {
    fn committed(&self, topic: &Topic, epoch: Epoch, audience: &Audience, events: &[Event]) {
        let published =
            Published { topic: topic.clone(), epoch, audience: audience.clone(), events: events.to_vec() };
        self.0.lock().unwrap().push(published);
    }
}
