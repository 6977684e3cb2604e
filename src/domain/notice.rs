//! Notices to everyone of an organisation. Urgent ones have a topic of their own, so nothing is in their way.

use bytes::Bytes;
use fanfare_proto::{
    ErrorBody, OrgId, TopicKey, TopicKind, TopicName,
    command::{Priority, SystemBroadcast},
    event::{self, Notice, Stored},
};

use super::{Answer, Caller, Services, answer, append_one};
use crate::{
    id::{Audience, Topic},
    store::{Append, NewEvent},
};

/// The topics that every connection of an organisation has, urgent first.
pub fn topics(org: &OrgId) -> [Topic; 2] {
    [TopicKind::UrgentNotice, TopicKind::Notice].map(|kind| topic(org, kind))
}

fn topic(org: &OrgId, kind: TopicKind) -> Topic {
    Topic {
        org: org.clone(),
        name: TopicName {
            kind,
            key: TopicKey::all(),
        },
    }
}

/// `system:broadcast`
pub async fn broadcast(services: &Services, caller: &Caller<'_>, command: SystemBroadcast) -> Answer {
    let kind = match command.priority {
        Priority::Urgent => TopicKind::UrgentNotice,
        Priority::Low | Priority::Medium | Priority::High => TopicKind::Notice,
    };
    let topic = topic(&caller.identity.org, kind);
    let notice = Notice {
        message: command.message,
        priority: command.priority,
    };
    let event = NewEvent {
        author: caller.user().clone(),
        client_id: command.client_id,
        at: services.clock.now(),
        name: event::name::SYSTEM_BROADCAST.into(),
        data: json(&notice)?,
        countable: true,
    };
    let append = Append {
        topic: topic.clone(),
        expect: None,
        events: vec![event],
        audience: Audience::Organisation,
    };
    let (appended, outcome) = append_one(services, append).await?;
    answer(&Stored {
        topic: topic.name,
        epoch: appended.epoch,
        seq: outcome.seq,
        at: outcome.at,
        duplicate: outcome.duplicate,
        conversation_id: None,
    })
}

/// A payload as the store keeps it.
pub(super) fn json<T: serde::Serialize>(data: &T) -> Result<Bytes, ErrorBody> {
    serde_json::to_vec(data)
        .map(Bytes::from)
        .map_err(|e| fanfare_proto::ErrorCode::InternalError.with(e.to_string()))
}
