//! Whoever has said who they are.

use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare_proto::{ErrorBody, ErrorCode, OrgId, UserId};

use super::{Crowd, Organisation, Place, User, visitor::Visits};
use crate::time::Elapsed;

/// When to try again where there is no room: somebody must leave first.
pub(super) const RETRY_MS: u64 = 5000;

/// An authenticated connection, counted while this lives.
#[derive(Debug)]
pub struct Guest {
    server: Place<Crowd>,
    _address: Option<Place<Visits>>,
    user: Place<User>,
    organisation: Place<Organisation>,
    /// Bytes of messages that are not whole.
    held: AtomicUsize,
}

/// Where there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Of an address.
    #[error("too many connections from this address")]
    Address,
    /// Of a user.
    #[error("too many connections of this user")]
    User,
    /// Of an organisation.
    #[error("too many connections of this organisation")]
    Organisation,
    /// Of the server.
    #[error("too many connections")]
    Server,
}

impl Full {
    /// What a peer is told.
    pub fn body(self) -> ErrorBody {
        ErrorCode::ConnectionLimit.with(self.to_string()).retry_after(RETRY_MS)
    }
}

/// What something costs a user and their organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A request like any other.
    Message,
    /// A notice to everyone, besides.
    Broadcast,
    /// A conversation, besides.
    Conversation {
        /// The members that are named, each of whom is a record to write.
        members: usize,
    },
}

/// So many members of a conversation cost as much as the conversation itself.
const MEMBERS: usize = 50;

impl Cost {
    const fn amount(self) -> u32 {
        match self {
            Self::Message | Self::Broadcast => 1,
            Self::Conversation { members } => 1 + (members / MEMBERS) as u32,
        }
    }
}

/// Too much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// Of what, for a person.
    pub what: &'static str,
    /// In how many milliseconds there is some again.
    pub wait_ms: u64,
}

impl Excess {
    pub(super) const fn of(what: &'static str) -> impl Fn(u64) -> Self {
        move |wait_ms| Self { what, wait_ms }
    }
}

impl Guest {
    pub(super) fn new(
        server: Place<Crowd>,
        address: Option<Place<Visits>>,
        user: Place<User>,
        organisation: Place<Organisation>,
    ) -> Self {
        Self { server, _address: address, user, organisation, held: AtomicUsize::new(0) }
    }

    /// Takes what something costs, or nothing.
    pub fn spend(&self, cost: Cost, now: Elapsed) -> Result<(), Excess> {
        spend(&self.user.0, &self.organisation.0, cost, now)
    }

    /// Holds so many bytes of messages that are not whole, in place of those before. False where that is too much for the
    /// user, the organisation or the server: then it stays what it was.
    pub fn hold(&self, bytes: usize) -> bool {
        let before = self.held.load(Ordering::Relaxed);
        let all = [&self.user.0.held, &self.organisation.0.held, &self.server.0.held];
        if bytes <= before {
            for held in all {
                held.give_back(before - bytes);
            }
        } else {
            let refused = all.iter().position(|held| !held.take(bytes - before));
            if let Some(refused) = refused {
                for held in &all[..refused] {
                    held.give_back(bytes - before);
                }
                return false;
            }
        }
        self.held.store(bytes, Ordering::Relaxed);
        true
    }

    /// Takes from what is set aside for urgent requests, and for nothing else.
    pub fn spend_urgent(&self, now: Elapsed) -> bool {
        self.user.0.urgent.take(now).is_ok()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.hold(0);
    }
}

impl Crowd {
    /// Takes what something costs that comes by no connection, or nothing.
    pub fn spend(&self, org: &OrgId, user: &UserId, cost: Cost, now: Elapsed) -> Result<(), Excess> {
        let spent = spend(&self.user(org, user, now), &self.organisation(org, now), cost, now);
        spent.inspect_err(|excess| self.log_user(org, user, excess.what, now))
    }
}

fn spend(user: &User, organisation: &Organisation, cost: Cost, now: Elapsed) -> Result<(), Excess> {
    let (first, second) = match cost {
        Cost::Message => (
            (&user.messages, "too many messages of this user"),
            (&organisation.messages, "too many messages of this organisation"),
        ),
        Cost::Broadcast => (
            (&user.broadcasts, "too many notices of this user"),
            (&organisation.broadcasts, "too many notices of this organisation"),
        ),
        Cost::Conversation { .. } => (
            (&user.conversations, "too many conversations created"),
            (&organisation.conversations, "too many conversations created in this organisation"),
        ),
    };
    let amount = cost.amount();
    first.0.take_many(amount, now).map_err(Excess::of(first.1))?;
    let taken = second.0.take_many(amount, now).inspect_err(|_| first.0.give_back(amount));
    taken.map_err(Excess::of(second.1))
}
