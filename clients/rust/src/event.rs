//! What the application is told.

use fanfare_proto::{
    Cursor, Epoch, ErrorBody, Seq, ServerEvent, TopicName,
    event::{
        Authenticated, Conversation, LogEntry, MessageNew, Notice, Receipt, TopicState, TopicsEnded, name,
    },
    presence::{PresenceChanged, PresenceSnapshot},
};

/// What happened. Events of a log come once, in the order of their topic, also across reconnects.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A connection is open. What was missed follows.
    Open(Authenticated),
    /// Topics and what is unread in them, told after every connect in one or more parts, and where a newer token grants
    /// more of them.
    Topics(Vec<TopicState>),
    /// The rights of a newer token grant nothing of some kinds of topics: show them no longer.
    TopicsEnded(TopicsEnded),
    /// Events of a topic are missing before those that follow: read its history.
    Gap(Gap),
    /// A conversation with the user as a member begins.
    ConversationCreated {
        /// Where it stands in its log.
        entry: LogEntry,
        /// The conversation.
        conversation: Conversation,
    },
    /// A message.
    Message {
        /// Where it stands in its log, and who wrote it.
        entry: LogEntry,
        /// The message.
        message: MessageNew,
    },
    /// A notice to the organisation.
    Broadcast {
        /// Where it stands in its log, and who wrote it.
        entry: LogEntry,
        /// The notice.
        notice: Notice,
    },
    /// A device of a member has the messages up to a position.
    Delivered(Receipt),
    /// A member has read up to a position.
    Read(Receipt),
    /// Part of those whom this client watches, as they are: after [`Client::watch_presence`](crate::Client::watch_presence),
    /// and after each reconnect. Never older than what was told of somebody before.
    PresenceSnapshot {
        /// The first part: what was shown before holds no longer.
        anew: bool,
        /// The part.
        part: PresenceSnapshot,
    },
    /// Who of those has changed. Never older than what was told of them before.
    PresenceChanged(PresenceChanged),
    /// The server complains, not about a request that waits for its answer; or something that was followed is refused from
    /// now on.
    Error(ErrorBody),
    /// An event that this version does not know, or that holds something else than expected.
    Other(ServerEvent),
}

/// Events that will not come: the server no longer had them all, or the device had too many topics to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The topic.
    pub topic: TopicName,
    /// Where the device stood.
    pub had: Option<(Epoch, Seq)>,
    /// Events after this position follow.
    pub epoch: Epoch,
    /// See `epoch`.
    pub from: Seq,
    /// The newest position.
    pub head: Seq,
}

impl Event {
    /// Gives a server's event its type. One that does not fit is kept as it is: nothing is lost.
    pub(crate) fn typed(event: ServerEvent) -> Self {
        let entry = event.entry.clone();
        let typed = match (event.event.as_str(), entry) {
            (name::CONVERSATION_CREATED, Some(entry)) => {
                event.data().map(|conversation| Self::ConversationCreated { entry, conversation })
            }
            (name::MESSAGE_NEW, Some(entry)) => event.data().map(|message| Self::Message { entry, message }),
            (name::SYSTEM_BROADCAST, Some(entry)) => {
                event.data().map(|notice| Self::Broadcast { entry, notice })
            }
            (name::MESSAGE_DELIVERED, _) => event.data().map(Self::Delivered),
            (name::MESSAGE_READ, _) => event.data().map(Self::Read),
            (name::ERROR, _) => event.data().map(Self::Error),
            _ => return Self::Other(event),
        };
        typed.unwrap_or(Self::Other(event))
    }
}

/// Where a cursor stands after an event of a log.
pub(crate) fn after(entry: &LogEntry) -> Cursor {
    Cursor { topic: entry.topic.clone(), epoch: entry.epoch, seq: entry.seq }
}
