//! Notices to everyone of an organisation. Urgent ones have a topic of their own, so nothing is in their way.

use fanfare_proto::{
    TopicKey, TopicKind, TopicName,
    command::{Priority, SystemBroadcast},
    event::{self, Notice},
};

use super::{Answer, Caller, Said, Services, answer, json, say};
use crate::id::{Audience, Tenant, Topic};

/// The topics that every connection of an organisation has, urgent first.
pub fn topics(org: &Tenant) -> [Topic; 2] {
    [TopicKind::UrgentNotice, TopicKind::Notice].map(|kind| topic(org, kind))
}

fn topic(org: &Tenant, kind: TopicKind) -> Topic {
    Topic { org: org.clone(), name: TopicName { kind, key: TopicKey::all() } }
}

/// `system:broadcast`
pub async fn broadcast(services: &Services, caller: &Caller<'_>, command: SystemBroadcast) -> Answer {
    let kind = match command.priority {
        Priority::Urgent => TopicKind::UrgentNotice,
        Priority::Low | Priority::Medium | Priority::High => TopicKind::Notice,
    };
    let topic = topic(&caller.identity.org, kind);
    let notice = Notice { message: command.message, priority: command.priority };
    let said = Said {
        topic,
        audience: Audience::Organisation,
        client_id: command.client_id,
        name: event::name::SYSTEM_BROADCAST,
        data: json(&notice)?,
        countable: true,
    };
    let (stored, _) = say(services, caller, said).await?;
    answer(&stored)
}
