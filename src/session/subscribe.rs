//! Following channels.

use std::collections::BTreeSet;

use fanfare_proto::{
    DepartmentId, ErrorBody, ErrorCode, Lane,
    command::{Channel, Subscribe, Unsubscribe},
    event::{self, Subscribed, SubscriptionEnded, name},
};
use serde_json::{Value, json};
use tokio::task::{AbortHandle, spawn_local};

use super::Session;
use crate::{
    auth::{
        Identity,
        policy::{self, Action},
    },
    domain::{
        Caller,
        location::{self, scope::Scope},
        presence,
    },
    shard::Following,
};

/// A channel that is followed, and the task that sends its snapshot, and of presence what follows.
#[derive(Debug)]
pub(super) struct Subscription {
    view: u32,
    part: Part,
    /// `None` where the task itself follows.
    _following: Option<Following>,
    sending: AbortHandle,
}

/// What of a channel is followed, to compare with what other rights would grant.
#[derive(Debug)]
enum Part {
    Locations {
        department: Option<DepartmentId>,
        /// What the rights of then made of it.
        scope: Scope,
    },
    Presence {
        /// Of some people only.
        named: bool,
    },
}

/// What becomes of a channel under other rights.
enum Fate {
    /// It shows what it would show if it were asked for anew.
    Stays,
    /// It would show something else.
    Changes,
    /// It would be refused.
    Ends(ErrorBody),
}

impl Part {
    fn under(&self, rights: &Identity) -> Fate {
        let (channel, named) = match self {
            Self::Locations { .. } => (Channel::Locations, false),
            Self::Presence { named } => (Channel::Presence, *named),
        };
        if !policy::may(rights, Action::following(channel, named)) {
            return Fate::Ends(ErrorCode::Unauthorized.with("your rights no longer allow it"));
        }
        match self {
            Self::Locations { department, scope } => {
                match Scope::granted(rights, Action::WatchLocations).narrowed(department.clone()) {
                    Ok(granted) if granted == *scope => Fate::Stays,
                    Ok(_) => Fate::Changes,
                    Err(error) => Fate::Ends(error),
                }
            }
            // All of the organisation, or those who were named: no other right makes it more or less.
            Self::Presence { .. } => Fate::Stays,
        }
    }
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
        let (department, users) = (command.department_id, command.users.as_deref());
        let services = &*self.local.services;
        let (mut subscriptions, mut granted) = (Vec::new(), Vec::new());
        for channel in channels {
            let (subscription, part, grant) = match channel {
                Channel::Locations => {
                    let (shard, member) = (&self.local.shard, self.member());
                    let scope = Scope::granted(caller.identity, Action::WatchLocations)
                        .narrowed(department.clone())?;
                    let (subscription, following, parts) =
                        location::subscribe(services, caller, shard, member, scope.clone()).await?;
                    let part = Part::Locations { department: department.clone(), scope };
                    (subscription, part, Granted::Locations(following, parts))
                }
                Channel::Presence => {
                    let (subscription, watching) = presence::subscribe(services, caller, users).await?;
                    (subscription, Part::Presence { named: users.is_some() }, Granted::Presence(watching))
                }
            };
            granted.push((channel, subscription.view, part, grant));
            subscriptions.push(subscription);
        }
        if !self.identity().has_same_rights(caller.identity) {
            return Err(ErrorCode::Conflict.with("your rights have changed meanwhile: subscribe again"));
        }
        for (channel, view, part, granted) in granted {
            let member = self.member().clone();
            let (following, sending) = match granted {
                Granted::Locations(following, parts) => (Some(following), spawn_local(parts.send(member))),
                Granted::Presence(watching) => (None, spawn_local(watching.send(member))),
            };
            // A new subscription replaces the one before: a channel is followed once.
            let sending = sending.abort_handle();
            let subscription = Subscription { view, part, _following: following, sending };
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

    /// Ends what other rights no longer grant, and says so. Answers which channels show something else under them, which
    /// end, too: a view of the old rights is seen no more.
    pub(super) fn regrant(&self, rights: &Identity) -> Vec<Channel> {
        let mut again = Vec::new();
        self.following.borrow_mut().retain(|&channel, subscription| match subscription.part.under(rights) {
            Fate::Stays => true,
            Fate::Changes => {
                again.push(channel);
                false
            }
            Fate::Ends(error) => {
                let ended = SubscriptionEnded { channel, view: subscription.view, error };
                let text = event::write(name::SUBSCRIPTION_ENDED, None, &ended);
                self.outbox.push(Lane::Ordered, text.into());
                false
            }
        });
        again
    }
}
