//! How far a user has got: what is unread, and marks.
//!
//! Events go with retention, marks stay. So a mark may lie before the oldest event that can be read: what went unread
//! counts no more, and a mark may be set to any position up to the head, whether its event is still there or not.

use fanfare_proto::{
    ErrorBody, ErrorCode, Seq,
    command::MessageMark,
    event::{self, Receipt},
};

use super::room::member_room;
use crate::{
    domain::{Answer, Caller, Services, answer},
    error::refused,
    hub::State,
    id::{Audience, Topic},
    outbox::StateKey,
    store::{Event, From, Head, Mark, MarkKind, Position},
};

/// Events that count of those after the user's read mark which can still be read.
///
/// Reads one event where some went unread by retention, and none otherwise.
pub async fn unread(services: &Services, topic: &Topic, head: &Head, mark: &Mark) -> Result<u64, ErrorBody> {
    if !head.has_events() {
        return Ok(0);
    }
    let read = if mark.read.seq.next() < head.first {
        mark.read.count.max(count_before(services, topic, head.first).await?.unwrap_or(head.count))
    } else {
        mark.read.count
    };
    Ok(head.count.saturating_sub(read))
}

/// How many events counted before a position, which the first event from there on tells; `None` if there is none.
async fn count_before(services: &Services, topic: &Topic, seq: Seq) -> Result<Option<u64>, ErrorBody> {
    let after = From::After(Seq(seq.0.saturating_sub(1)));
    let page = services.store.read(topic, after, 1, 1).await.map_err(refused)?;
    Ok(page.events.first().map(before))
}

/// The count up to an event, without the event itself.
fn before(event: &Event) -> u64 {
    event.count.saturating_sub(u64::from(event.name != event::name::CONVERSATION_CREATED))
}

/// `message:received` and `message:read`
pub async fn mark(services: &Services, caller: &Caller<'_>, command: MessageMark, kind: MarkKind) -> Answer {
    let (topic, room) = member_room(services, caller, &command.conversation_id).await?;
    let before = marks_of(services, caller, &topic).await?;
    let to = position(services, &topic, command.seq, held(&before, kind)).await?;
    let mark = services.store.mark(&topic, caller.user(), kind, to).await.map_err(refused)?;
    let (name, seq) = match kind {
        MarkKind::Delivered => (event::name::MESSAGE_DELIVERED, mark.delivered.seq),
        MarkKind::Read => (event::name::MESSAGE_READ, mark.read.seq),
    };
    let receipt = Receipt { conversation_id: command.conversation_id, user_id: caller.user().clone(), seq };
    if held(&before, kind).seq != seq {
        services.hub.publish_state(State {
            audience: Audience::Members(room.members.clone()),
            key: StateKey(format!("{name} {} {}", topic.name, caller.user())),
            topic,
            version: seq.0,
            frame: event::write(name, None, &receipt).into(),
        });
    }
    answer(&receipt)
}

async fn marks_of(services: &Services, caller: &Caller<'_>, topic: &Topic) -> Result<Mark, ErrorBody> {
    let marks = services.store.marks_of(caller.user(), std::slice::from_ref(topic)).await.map_err(refused)?;
    Ok(marks.first().copied().unwrap_or_default())
}

const fn held(mark: &Mark, kind: MarkKind) -> Position {
    match kind {
        MarkKind::Delivered => mark.delivered,
        MarkKind::Read => mark.read,
    }
}

/// A position of the log with its count, for a user who holds `held`.
async fn position(
    services: &Services,
    topic: &Topic,
    seq: Seq,
    held: Position,
) -> Result<Position, ErrorBody> {
    let after = From::After(Seq(seq.0.saturating_sub(1)));
    let page = services.store.read(topic, after, 1, 1).await.map_err(refused)?;
    let head = page.head;
    if seq == Seq::ZERO || seq > head.seq {
        return Err(ErrorCode::InvalidMessage.with(format!(
            "seq: {} is no position of this conversation, whose newest event is {}",
            seq.0, head.seq.0
        )));
    }
    let count = match page.events.first() {
        Some(event) if event.seq == seq => event.count,
        // Its event has gone. What counted before it went unread, and counts no more in any case.
        Some(event) => held.count.max(before(event).min(event.count)),
        None => head.count,
    };
    Ok(Position { seq, count })
}
