//! The table of contents: every command and what does it.

use std::rc::Rc;

use fanfare_proto::{
    Command, ErrorBody, ErrorCode,
    event::{Pong, name},
};
use serde_json::{Value, json};

use super::Session;
use crate::{
    auth::policy,
    domain::{Caller, chat, location, notice, presence},
    store::MarkKind,
};

/// The name and payload of an answer; `None` where there is nothing to say.
type Answered = Result<Option<(&'static str, Value)>, ErrorBody>;

impl Session {
    pub(super) async fn dispatch(self: &Rc<Self>, command: Command) -> Answered {
        let identity = &self.identity();
        if !policy::allows(identity, &command) {
            return Err(ErrorCode::Unauthorized.with(format!("{} is not allowed to you", command.name())));
        }
        let services = &*self.local.services;
        // It will be closed, but what it sent before must not be done any more.
        let device = self.member().connection.device.as_ref();
        if let Some(refused) = services.revocations.refusal(identity, device, services.clock.wall()) {
            return Err(refused.error());
        }
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
            Command::PresenceSet(command) => match self.here.get() {
                Some(here) => presence::set(services, caller, here, command).await?,
                None => return Err(ErrorCode::InternalError.with("internal error")),
            },
            Command::PresenceGet(command) => presence::get(services, caller, command).await?,
        };
        Ok(Some((name::REPLY, data)))
    }
}
