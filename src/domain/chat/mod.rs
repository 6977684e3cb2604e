//! Conversations: who takes part, what was said, how far each has got.
//!
//! A conversation is a topic. Its first event says who takes part; a record keeps that for when the event has
//! expired, and a membership record for each member lets them find it. The records are written first: without the
//! first event they mean nothing, and a repeated request, which makes the same conversation id, completes what a
//! crash cut off.

mod pair;
mod progress;
mod room;

pub use self::{
    progress::{mark, unread},
    room::Directory,
};

use std::collections::BTreeSet;

use fanfare_proto::{
    ClientId, ConversationId, ErrorBody, ErrorCode, Seq, UserId,
    command::{
        ConversationCreate, ConversationKind, ConversationList, MAX_MEMBERS, MessageHistory, MessageSend,
    },
    event::{
        self, Conversation, ConversationSummary, Conversations, History, LISTED_MEMBERS, LogEntry, LogEvent,
        MemberMark, MessageNew, Stored,
    },
};
use sha2::{Digest, Sha256};

use self::room::{Room, enrol, ids_of, kept, member_room, put_once, room, state, topic};
use super::{Answer, Caller, Said, Services, answer, json, say, say_first};
use crate::{
    error::{corrupt, refused},
    id::{Audience, Tenant, Topic},
    store::{Event, From, Head, MarkKind, Position},
};

/// Bytes of a history page's events: with marks and envelope it stays within what one frame may have.
const PAGE_BYTES: usize = 22 * 1024;

/// Members whose marks a history page lists: at most 200 bytes each.
const LISTED_MARKS: usize = 40;

/// Members that a summary names: fewer, as many summaries share a frame.
const SUMMARY_MEMBERS: usize = 20;

/// `conversation:create`
pub async fn create(services: &Services, caller: &Caller<'_>, command: ConversationCreate) -> Answer {
    let mut members: BTreeSet<UserId> = command.members.into_iter().collect();
    members.insert(caller.user().clone());
    match command.kind {
        ConversationKind::Private if members.len() != 2 => {
            return Err(ErrorCode::InvalidMessage.with("a private conversation has exactly one other member"));
        }
        _ if members.len() > MAX_MEMBERS => {
            return Err(ErrorCode::RoomFull.with(format!("a conversation has at most {MAX_MEMBERS} members")));
        }
        _ => {}
    }
    let org = &caller.identity.org;
    let id = match (command.kind, members.first(), members.last()) {
        (ConversationKind::Private, Some(a), Some(b)) => pair::id_of(services, org, (a, b)).await?,
        _ => derive_id(org, caller.user(), &command.client_id),
    };
    let topic = topic(&caller.identity.org, &id);
    let asked = Room { kind: command.kind, title: command.title, members: members.into_iter().collect() };
    put_once(services, &state(&topic), json(&asked)?).await?;
    // What stands there since an earlier request that makes the same conversation is what holds.
    let room = kept(services, &topic).await?.unwrap_or(asked);
    enrol(services, &caller.identity.org, &id, &room.members).await?;

    let conversation = Conversation {
        conversation_id: id.clone(),
        kind: room.kind,
        title: room.title,
        member_count: room.members.len() as u32,
        members: room.members.iter().take(LISTED_MEMBERS).cloned().collect(),
    };
    let said = Said {
        topic: topic.clone(),
        audience: Audience::Members(room.members),
        // Not the request's: that may name a message of this conversation too.
        client_id: ClientId::from(&id),
        name: event::name::CONVERSATION_CREATED,
        data: json(&conversation)?,
        countable: false,
    };
    let stored = match say_first(services, caller, said).await? {
        Some(stored) => stored,
        None => begun(services, &topic).await?,
    };
    answer(&Stored { conversation_id: Some(id), ..stored })
}

/// What is answered where the conversation has begun already, by another user or so long ago that the request is not known
/// any more.
async fn begun(services: &Services, topic: &Topic) -> Result<Stored, ErrorBody> {
    let page = services.store.read(topic, From::After(Seq::ZERO), 1, 1).await.map_err(refused)?;
    let first = page.events.first().filter(|event| event.seq == Seq(1));
    Ok(Stored {
        topic: topic.name.clone(),
        epoch: page.head.epoch,
        seq: Seq(1),
        at: first.map_or_else(|| services.clock.now(), |event| event.at),
        duplicate: true,
        conversation_id: None,
    })
}

/// `conversation:list`
pub async fn list(services: &Services, caller: &Caller<'_>, command: ConversationList) -> Answer {
    // Twenty summaries of twenty members each fit in one frame.
    let limit = usize::from(command.limit.unwrap_or(20).clamp(1, 20));
    let after = command.after.as_ref().map(ConversationId::as_str);
    let ids = ids_of(services, &caller.identity.org, caller.user(), after, limit).await?;
    let next = if ids.len() == limit { ids.last().cloned() } else { None };
    let topics: Vec<Topic> = ids.iter().map(|id| topic(&caller.identity.org, id)).collect();
    let heads = services.store.heads(&topics).await.map_err(refused)?;
    let marks = services.store.marks_of(caller.user(), &topics).await.map_err(refused)?;
    let mut conversations = Vec::new();
    for ((id, topic), (head, mark)) in ids.into_iter().zip(&topics).zip(heads.iter().zip(&marks)) {
        // A membership without a conversation: its creation was cut off. One that cannot be read hides no other.
        let room = match room(services, topic).await {
            Ok(Some(room)) => room,
            Ok(None) => continue,
            Err(error) if error.code == ErrorCode::InternalError => continue,
            Err(error) => return Err(error),
        };
        conversations.push(ConversationSummary {
            conversation_id: id,
            kind: room.kind,
            title: room.title.clone(),
            member_count: room.members.len() as u32,
            members: room.members.iter().take(SUMMARY_MEMBERS).cloned().collect(),
            epoch: head.epoch,
            head: head.seq,
            read: mark.read.seq,
            unread: unread(services, topic, head, mark).await?,
            last_at: head.at,
        });
    }
    answer(&Conversations { conversations, next })
}

/// `message:send`
pub async fn send(services: &Services, caller: &Caller<'_>, command: MessageSend) -> Answer {
    let (topic, room) = member_room(services, caller, &command.conversation_id).await?;
    let message = MessageNew { conversation_id: command.conversation_id.clone(), text: command.text };
    let said = Said {
        topic: topic.clone(),
        audience: Audience::Members(room.members.clone()),
        client_id: command.client_id,
        name: event::name::MESSAGE_NEW,
        data: json(&message)?,
        countable: true,
    };
    let (stored, count) = say(services, caller, said).await?;
    if !stored.duplicate {
        // Whoever writes has read. Should this fail, an unread count is one too high until they read again.
        let read = Position { seq: stored.seq, count };
        if let Err(error) = services.store.mark(&topic, caller.user(), MarkKind::Read, read).await {
            tracing::debug!(%error, "the author's read mark was not set");
        }
    }
    answer(&stored)
}

/// `message:history`
pub async fn history(services: &Services, caller: &Caller<'_>, command: MessageHistory) -> Answer {
    let (topic, _) = member_room(services, caller, &command.conversation_id).await?;
    let from = match (command.before, command.after) {
        (Some(before), _) => From::Before(before),
        (None, Some(after)) => From::After(after),
        (None, None) => From::Latest,
    };
    let limit = usize::from(command.limit.unwrap_or(50).clamp(1, 100));
    let page = services.store.read(&topic, from, limit, PAGE_BYTES).await.map_err(refused)?;
    let mut marks = services.store.marks(&topic).await.map_err(refused)?;
    marks.truncate(LISTED_MARKS);
    // What does not fit is left out at the far end of the direction read.
    let forwards = matches!(from, From::After(_));
    let mut found = page.events;
    if !forwards {
        found.reverse();
    }
    let (mut events, mut size, mut cut) = (Vec::new(), 0, false);
    for event in found {
        let event = log_event(&topic, page.head, event)?;
        size += json(&event)?.len();
        if size > PAGE_BYTES && !events.is_empty() {
            cut = true;
            break;
        }
        events.push(event);
    }
    if !forwards {
        events.reverse();
    }
    answer(&History {
        events,
        more: page.more || cut,
        head: page.head.seq,
        marks: marks
            .into_iter()
            .map(|(user_id, mark)| MemberMark { user_id, delivered: mark.delivered.seq, read: mark.read.seq })
            .collect(),
    })
}

/// Topics of a user's conversations, for a resume: those after `after` only, at most `limit`.
pub async fn topics_of(
    services: &Services,
    org: &Tenant,
    user: &UserId,
    after: Option<&Topic>,
    limit: usize,
) -> Result<Vec<Topic>, ErrorBody> {
    let after = after.map(|topic| topic.name.key.as_str());
    let ids = ids_of(services, org, user, after, limit).await?;
    Ok(ids.iter().map(|id| topic(org, id)).collect())
}

fn log_event(topic: &Topic, head: Head, event: Event) -> Result<LogEvent, ErrorBody> {
    let event = event.checked(topic);
    let data = serde_json::from_slice(&event.data).map_err(|e| corrupt(&topic.org, "event", &e))?;
    let entry = LogEntry {
        topic: topic.name.clone(),
        epoch: head.epoch,
        seq: event.seq,
        at: event.at,
        by: event.author,
        client_id: event.client_id,
    };
    Ok(LogEvent { event: event.name, entry, data })
}

/// The id that a creation request makes: the same for every repeat, unlike that of any other request.
fn derive_id(org: &Tenant, author: &UserId, client_id: &ClientId) -> ConversationId {
    let mut hash = Sha256::new();
    for part in [org.as_str(), author.as_str(), client_id.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    ConversationId::from_bytes(&hash.finalize()[..16])
}
