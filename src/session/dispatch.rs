//! The table of contents: every command and what does it.

use fanfare_proto::{
    Command, ErrorBody, ErrorCode,
    command::{Channel, Subscribe, Unsubscribe},
    event::{Pong, name},
};
use serde_json::{Value, json};

use super::{Session, Subscription};
use crate::{
    auth::policy,
    domain::{Caller, chat, location, notice},
    store::MarkKind,
};

/// The name and payload of an answer; `None` where there is nothing to say.
type Answered = Result<Option<(&'static str, Value)>, ErrorBody>;

impl Session {
    pub(super) async fn dispatch(&self, command: Command) -> Answered {
        let identity = &self.identity();
        if !policy::allows(identity, &command) {
            return Err(ErrorCode::Unauthorized.with(format!("{} is not allowed to you", command.name())));
        }
        let services = &*self.local.services;
        let caller = &Caller { identity, source: self.source };
        let data = match command {
            Command::Authenticate(_) => return Err(ErrorCode::InvalidMessage.with("already authenticated")),
            Command::Ping(_) => {
                let pong = json!(Pong { time: services.clock.now() });
                return Ok(Some((name::CLIENT_PONG, pong)));
            }
            // That it came is all that matters.
            Command::Pong(_) => return Ok(None),
            Command::TokenRefresh(command) => self.refresh(&command).await?,
            Command::Subscribe(command) => self.subscribe(caller, command).await?,
            Command::Unsubscribe(command) => self.unsubscribe(&command),
            Command::ConversationCreate(command) => chat::create(services, caller, command).await?,
            Command::ConversationList(command) => chat::list(services, caller, command).await?,
            Command::MessageSend(command) => chat::send(services, caller, command).await?,
            Command::MessageHistory(command) => chat::history(services, caller, command).await?,
            Command::MessageReceived(command) => {
                chat::mark(services, caller, command, MarkKind::Delivered).await?
            }
            Command::MessageRead(command) => chat::mark(services, caller, command, MarkKind::Read).await?,
            Command::LocationUpdate(command) => location::update(services, caller, command).await?,
            Command::LocationLatest(command) => location::latest(services, caller, command).await?,
            Command::LocationHistory(command) => location::history(services, caller, command).await?,
            Command::LocationWindow(command) => location::window(services, caller, command).await?,
            Command::SystemBroadcast(command) => notice::broadcast(services, caller, command).await?,
        };
        Ok(Some((name::REPLY, data)))
    }

    async fn subscribe(&self, caller: &Caller<'_>, command: Subscribe) -> Result<Value, ErrorBody> {
        // One channel exists so far; naming it twice is naming it once.
        if command.channels.is_empty() {
            return Err(ErrorCode::SubscriptionFailed.with("no channel named"));
        }
        let shard = &self.local.shard;
        let (reply, following, parts) =
            location::subscribe(&self.local.services, caller, shard, self.member(), &command).await?;
        if !self.identity().has_same_rights(caller.identity) {
            return Err(ErrorCode::Conflict.with("your rights have changed meanwhile: subscribe again"));
        }
        let snapshot = tokio::task::spawn_local(parts.send(self.member().clone())).abort_handle();
        // A new subscription replaces the one before: a channel is followed once.
        let subscription = Subscription { _following: following, snapshot };
        self.following.borrow_mut().insert(Channel::Locations, subscription);
        Ok(reply)
    }

    fn unsubscribe(&self, command: &Unsubscribe) -> Value {
        let mut following = self.following.borrow_mut();
        for channel in &command.channels {
            following.remove(channel);
        }
        json!({})
    }
}
