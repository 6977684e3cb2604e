//! Which conversations there are, and who takes part: records beside the logs.

use std::sync::Arc;

use bytes::Bytes;
use fanfare_proto::{
    ConversationId, ErrorBody, ErrorCode, Seq, TopicKey, TopicKind, TopicName, UserId,
    command::ConversationKind,
};
use quick_cache::{Weighter, sync::Cache};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::{
    domain::{Caller, Services},
    error::{corrupt, refused},
    id::{Tenant, Topic},
    store::{Put, Record, RecordKind, Slot, StoreError, damage},
};

/// How many members of conversations are remembered between requests: of some 40,000 small ones, or of 1,000 of the largest. At
/// up to 160 bytes each they take 160 MB at most. A part of the cache, of which there are four for each core, has room for the
/// largest.
const REMEMBERED: u64 = 1_000_000;
/// What else is kept of a conversation, in members.
const OVERHEAD: u64 = 20;

/// Members whose records are written together.
const PART: usize = 50;
/// Such records under way, of all conversations that are being made: what others' writes may find before them, however large
/// the groups and however many.
const UNDER_WAY: usize = 200;

/// A conversation, as its record keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Room {
    pub(super) kind: ConversationKind,
    pub(super) title: Option<String>,
    /// In order of their ids.
    #[serde(with = "shared")]
    pub(super) members: Arc<[UserId]>,
}

/// Shared lists are plain lists when kept.
mod shared {
    use super::{Arc, Deserialize, Serialize, UserId};

    pub(super) fn serialize<S: serde::Serializer>(list: &Arc<[UserId]>, s: S) -> Result<S::Ok, S::Error> {
        list.as_ref().serialize(s)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Arc<[UserId]>, D::Error> {
        Ok(Vec::deserialize(d)?.into())
    }
}

/// Conversations looked up lately, and the turns of those that are being made. What is looked up never changes: a
/// conversation's members are those of its first event.
#[derive(Debug)]
pub struct Directory {
    known: Cache<Topic, Arc<Room>, Members>,
    turns: Semaphore,
}

impl Default for Directory {
    fn default() -> Self {
        let usual = (REMEMBERED / OVERHEAD / 2) as usize;
        Self { known: Cache::with_weighter(usual, REMEMBERED, Members), turns: Semaphore::new(UNDER_WAY) }
    }
}

/// Weighs a conversation by its members: whoever talks in large groups takes no more memory than others.
#[derive(Debug, Clone)]
struct Members;

impl Weighter<Topic, Arc<Room>> for Members {
    fn weight(&self, _: &Topic, room: &Arc<Room>) -> u64 {
        OVERHEAD + room.members.len() as u64
    }
}

pub(super) async fn ids_of(
    services: &Services,
    org: &Tenant,
    user: &UserId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<ConversationId>, ErrorBody> {
    let (now, kind) = (services.clock.now(), RecordKind::Membership);
    let mut ids = Vec::new();
    let mut after = after.map(str::to_owned);
    // More than one page only where some keys cannot be read.
    while ids.len() < limit {
        let left = limit - ids.len();
        let page = services.store.list(org, kind, user.as_str(), after.as_deref(), left, now).await;
        let page = page.map_err(refused)?;
        after = page.last().map(|(key, _)| key.clone());
        let last = page.len() < left;
        ids.extend(page.iter().filter_map(|(key, _)| {
            damage::readable("membership", || format!("{org} {user} {key}"), ConversationId::new(key))
        }));
        if last {
            break;
        }
    }
    Ok(ids)
}

/// The conversation, if the caller is a member. One of others looks like one that does not exist.
pub(super) async fn member_room(
    services: &Services,
    caller: &Caller<'_>,
    id: &ConversationId,
) -> Result<(Topic, Arc<Room>), ErrorBody> {
    let topic = topic(&caller.identity.org, id);
    match room(services, &topic).await? {
        Some(room) if room.members.binary_search(caller.user()).is_ok() => Ok((topic, room)),
        _ => Err(ErrorCode::RoomNotFound.with("no such conversation")),
    }
}

pub(super) async fn room(services: &Services, topic: &Topic) -> Result<Option<Arc<Room>>, ErrorBody> {
    if let Some(room) = services.conversations.known.get(topic) {
        return Ok(Some(room));
    }
    let Some(room) = kept(services, topic).await? else {
        return Ok(None);
    };
    let heads = services.store.heads(std::slice::from_ref(topic)).await.map_err(refused)?;
    if heads.first().is_none_or(|head| head.seq == Seq::ZERO) {
        // Its creation was cut off before it was confirmed to anyone.
        return Ok(None);
    }
    let room = Arc::new(room);
    services.conversations.known.insert(topic.clone(), room.clone());
    Ok(Some(room))
}

pub(super) async fn kept(services: &Services, topic: &Topic) -> Result<Option<Room>, ErrorBody> {
    let record = services.store.get(&state(topic), services.clock.now()).await.map_err(refused)?;
    let decode = |record: Record| {
        serde_json::from_slice(&record.value).map_err(|e| corrupt(&topic.org, "conversation", &e))
    };
    record.map(decode).transpose()
}

/// Writes a record that never changes. A repeat finds it there.
pub(super) async fn put_once(services: &Services, slot: &Slot, value: Bytes) -> Result<(), ErrorBody> {
    let put = Put { value: Some(value), expires: None };
    match services.store.put(slot, None, put, services.clock.now()).await {
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(refused(error)),
    }
}

/// Writes the records by which members find a conversation, part by part. Turns are taken in order: a small group waits
/// for a part of each large one, never for all of it.
pub(super) async fn enrol(
    services: &Services,
    org: &Tenant,
    id: &ConversationId,
    members: &[UserId],
) -> Result<(), ErrorBody> {
    for part in members.chunks(PART) {
        let turn = services.conversations.turns.acquire_many(part.len() as u32).await;
        let _turn = turn.map_err(|_| ErrorCode::Unavailable.with("the server is going down"))?;
        let slots: Vec<_> = part.iter().map(|member| membership(org, member, id)).collect();
        let records = slots.iter().map(|slot| put_once(services, slot, Bytes::from_static(b"{}")));
        futures::future::try_join_all(records).await?;
    }
    Ok(())
}

pub(super) fn topic(org: &Tenant, id: &ConversationId) -> Topic {
    Topic { org: org.clone(), name: TopicName { kind: TopicKind::Conversation, key: TopicKey::from(id) } }
}

pub(super) fn state(topic: &Topic) -> Slot {
    Slot {
        org: topic.org.clone(),
        kind: RecordKind::Conversation,
        partition: topic.name.key.as_str().into(),
        key: "state".into(),
    }
}

fn membership(org: &Tenant, user: &UserId, id: &ConversationId) -> Slot {
    Slot {
        org: org.clone(),
        kind: RecordKind::Membership,
        partition: user.as_str().into(),
        key: id.as_str().into(),
    }
}

#[cfg(test)]
mod tests {
    use fanfare_proto::{OrgId, command::MAX_MEMBERS};

    use super::*;

    #[test]
    fn the_largest_conversations_are_remembered_and_take_no_more_room() {
        let Directory { known, .. } = Directory::default();
        let org = Tenant::stored(OrgId::new("acme").unwrap());
        let members: Arc<[UserId]> =
            (0..MAX_MEMBERS).map(|n| UserId::new(&format!("u{n}")).unwrap()).collect();
        for n in 0..5_000 {
            let topic = topic(&org, &ConversationId::new(&format!("c{n}")).unwrap());
            let room = Room { kind: ConversationKind::Group, title: None, members: members.clone() };
            known.insert(topic.clone(), Arc::new(room));
            assert!(n >= 100 || known.get(&topic).is_some(), "{n}");
        }
        assert!(known.weight() <= REMEMBERED * 11 / 10, "{}", known.weight());
        assert!((500..=1_100).contains(&known.len()), "{}", known.len());
    }
}
