//! Following channels.

use std::collections::BTreeSet;

use fanfare_proto::{
    ErrorBody, ErrorCode,
    command::{Channel, Subscribe, Unsubscribe},
    event::Subscribed,
};
use serde_json::{Value, json};
use tokio::task::{AbortHandle, spawn_local};

use super::Session;
use crate::{
    domain::{Caller, location, presence},
    shard::Following,
};

/// A channel that is followed, and the task that sends its snapshot, and of presence what follows.
#[derive(Debug)]
pub(super) struct Subscription {
    /// `None` where the task itself follows.
    _following: Option<Following>,
    sending: AbortHandle,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

/// A channel that is granted, and whose snapshot is still to be sent.
enum Granted {
    Locations(Following, location::LocationParts),
    Presence(presence::Watching),
}

impl Granted {
    fn channel(&self) -> Channel {
        match self {
            Self::Locations(..) => Channel::Locations,
            Self::Presence(_) => Channel::Presence,
        }
    }
}

impl Session {
    /// `subscribe`: all of the channels or none.
    pub(super) async fn subscribe(
        &self,
        caller: &Caller<'_>,
        command: Subscribe,
    ) -> Result<Value, ErrorBody> {
        // Naming a channel twice is naming it once.
        let channels: BTreeSet<Channel> = command.channels.iter().copied().collect();
        if channels.is_empty() {
            return Err(ErrorCode::SubscriptionFailed.with("no channel named"));
        }
        let users = command.users.as_deref();
        let services = &*self.local.services;
        let (mut subscriptions, mut granted) = (Vec::new(), Vec::new());
        for channel in channels {
            let (subscription, grant) = match channel {
                Channel::Locations => {
                    let (shard, member) = (&self.local.shard, self.member());
                    let department = command.department_id.clone();
                    let (subscription, following, parts) =
                        location::subscribe(services, caller, shard, member, department).await?;
                    (subscription, Granted::Locations(following, parts))
                }
                Channel::Presence => {
                    let (subscription, watching) = presence::subscribe(services, caller, users).await?;
                    (subscription, Granted::Presence(watching))
                }
            };
            subscriptions.push(subscription);
            granted.push(grant);
        }
        if !self.identity().has_same_rights(caller.identity) {
            return Err(ErrorCode::Conflict.with("your rights have changed meanwhile: subscribe again"));
        }
        for granted in granted {
            let (channel, member) = (granted.channel(), self.member().clone());
            let (following, sending) = match granted {
                Granted::Locations(following, parts) => (Some(following), spawn_local(parts.send(member))),
                Granted::Presence(watching) => (None, spawn_local(watching.send(member))),
            };
            // A new subscription replaces the one before: a channel is followed once.
            let subscription = Subscription { _following: following, sending: sending.abort_handle() };
            self.following.borrow_mut().insert(channel, subscription);
        }
        Ok(json!(Subscribed { subscriptions }))
    }

    pub(super) fn unsubscribe(&self, command: &Unsubscribe) -> Value {
        let mut following = self.following.borrow_mut();
        for channel in &command.channels {
            following.remove(channel);
        }
        json!({})
    }
}
