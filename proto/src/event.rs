//! What the server says: envelopes and the payloads of every event.
//!
//! An answer carries `re`, the request's id. An event of a log carries `topic`, `epoch` and `seq`: after it the
//! client's cursor in that topic is just that.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    code::ErrorCode,
    command::{Channel, ConversationKind, Priority, RequestId},
    fix::{BadFix, JsonFix},
    id::{ClientId, ConversationId, Cursor, Epoch, OrgId, Seq, TopicKind, TopicName, UnixMs, UserId},
};

/// Names of the server's events.
pub mod name {
    /// Answers `authenticate`. Data: [`Authenticated`](super::Authenticated).
    pub const AUTHENTICATED: &str = "authenticated";
    /// Answers every other request that was done. Data depends on the request.
    pub const REPLY: &str = "reply";
    /// A request was refused. Data: [`ErrorBody`](super::ErrorBody).
    pub const ERROR: &str = "error";
    /// Where the device stands in its topics. Data: [`Topics`](super::Topics).
    pub const TOPICS: &str = "topics";
    /// Asks for `server:pong`. Data: [`ServerPing`](super::ServerPing).
    pub const SERVER_PING: &str = "server:ping";
    /// The server is stopping: move. Data: [`GoingAway`](super::GoingAway).
    pub const SERVER_GOING_AWAY: &str = "server:going_away";
    /// A channel is followed no longer. Data: [`SubscriptionEnded`](super::SubscriptionEnded).
    pub const SUBSCRIPTION_ENDED: &str = "subscription:ended";
    /// Nothing of some kinds of topics is sent any more. Data: [`TopicsEnded`](super::TopicsEnded).
    pub const TOPICS_ENDED: &str = "topics:ended";
    /// Answers `client:ping`. Data: [`Pong`](super::Pong).
    pub const CLIENT_PONG: &str = "client:pong";
    /// First event of a conversation. Data: [`Conversation`](super::Conversation).
    pub const CONVERSATION_CREATED: &str = "conversation:created";
    /// A message. Data: [`MessageNew`](super::MessageNew).
    pub const MESSAGE_NEW: &str = "message:new";
    /// A device of a member has the messages up to a position. Data: [`Receipt`](super::Receipt).
    pub const MESSAGE_DELIVERED: &str = "message:delivered";
    /// A member has read up to a position. Data: [`Receipt`](super::Receipt).
    pub const MESSAGE_READ: &str = "message:read";
    /// A notice to the organisation. Data: [`Notice`](super::Notice).
    pub const SYSTEM_BROADCAST: &str = "system:broadcast";
    /// An event of a log that cannot be read any more: its place is kept. No data.
    pub const EVENT_UNREADABLE: &str = "event:unreadable";
    /// The state of a view when it was subscribed to. Data: [`LocationSnapshot`](super::LocationSnapshot).
    pub const LOCATION_SNAPSHOT: &str = "location:snapshot";
    /// Aliases of agents that joined a view. Data: [`LocationAgents`](super::LocationAgents).
    pub const LOCATION_AGENTS: &str = "location:agents";
    /// Agents that left a view. Data: [`LocationRemoved`](super::LocationRemoved).
    pub const LOCATION_REMOVED: &str = "location:removed";
    /// Which of the device's fixes are stored. Data: [`LocationStored`](super::LocationStored).
    pub const LOCATION_STORED: &str = "location:stored";
    /// Those who are watched. Data: [`PresenceSnapshot`](crate::presence::PresenceSnapshot).
    pub const PRESENCE_SNAPSHOT: &str = "presence:snapshot";
    /// Who has changed. Data: [`PresenceChanged`](crate::presence::PresenceChanged).
    pub const PRESENCE_CHANGED: &str = "presence:changed";

    /// Every name, for documents and tests.
    pub const ALL: &[&str] = &[
        AUTHENTICATED,
        REPLY,
        ERROR,
        TOPICS,
        SERVER_PING,
        SERVER_GOING_AWAY,
        SUBSCRIPTION_ENDED,
        TOPICS_ENDED,
        CLIENT_PONG,
        CONVERSATION_CREATED,
        MESSAGE_NEW,
        MESSAGE_DELIVERED,
        MESSAGE_READ,
        SYSTEM_BROADCAST,
        EVENT_UNREADABLE,
        LOCATION_SNAPSHOT,
        LOCATION_AGENTS,
        LOCATION_REMOVED,
        LOCATION_STORED,
        PRESENCE_SNAPSHOT,
        PRESENCE_CHANGED,
    ];
}

/// An event as a client reads it: `data` is read once its name is known.
#[derive(Clone)]
pub struct ServerEvent {
    /// The event's name.
    pub event: String,
    /// The request that this answers.
    pub re: Option<RequestId>,
    /// For an event of a log: where it stands.
    pub entry: Option<LogEntry>,
    /// The payload.
    pub data: Option<Box<RawValue>>,
}

/// What an event of a log carries besides name and payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LogEntry {
    /// Its topic.
    pub topic: TopicName,
    /// The life of the topic's log.
    pub epoch: Epoch,
    /// Its position.
    pub seq: Seq,
    /// When the server took it.
    pub at: UnixMs,
    /// Who caused it.
    pub by: UserId,
    /// The author's id for the request.
    pub client_id: ClientId,
}

impl std::fmt::Debug for ServerEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerEvent")
            .field("event", &self.event)
            .field("re", &self.re)
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

impl ServerEvent {
    /// Reads an event.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        /// Flattening would lose the raw payload, so the fields stand here in full.
        #[derive(Deserialize)]
        struct Flat {
            event: String,
            re: Option<RequestId>,
            topic: Option<TopicName>,
            epoch: Option<Epoch>,
            seq: Option<Seq>,
            at: Option<UnixMs>,
            by: Option<UserId>,
            client_id: Option<ClientId>,
            data: Option<Box<RawValue>>,
        }
        let flat: Flat = serde_json::from_slice(text)?;
        let entry = match (flat.topic, flat.epoch, flat.seq, flat.at, flat.by, flat.client_id) {
            (Some(topic), Some(epoch), Some(seq), Some(at), Some(by), Some(client_id)) => {
                Some(LogEntry { topic, epoch, seq, at, by, client_id })
            }
            _ => None,
        };
        Ok(Self { event: flat.event, re: flat.re, entry, data: flat.data })
    }

    /// The payload as a type.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.data.as_deref().map_or("null", RawValue::get))
    }
}

/// An event of a log, as histories list it and as it is sent live.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(
    feature = "typescript",
    derive(ts_rs::TS),
    ts(type = "{ [E in keyof LogEvents]: LogEntry & { event: E; data: LogEvents[E] } }[keyof LogEvents]")
)]
pub struct LogEvent {
    /// The event's name.
    pub event: String,
    /// Where it stands.
    #[serde(flatten)]
    pub entry: LogEntry,
    /// The payload.
    pub data: serde_json::Value,
}

impl std::fmt::Debug for LogEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogEvent")
            .field("event", &self.event)
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}

/// Writes an event of a log as JSON. `data` is the payload's JSON text as the store keeps it.
pub fn write_log(event: &str, entry: &LogEntry, data: &str) -> String {
    let mut out = String::with_capacity(192 + data.len());
    out.push_str("{\"event\":");
    push_json(&mut out, &event);
    out.push(',');
    let mut fields = String::new();
    push_json(&mut fields, entry);
    out.push_str(fields.trim_start_matches('{').trim_end_matches('}'));
    out.push_str(",\"data\":");
    out.push_str(data);
    out.push('}');
    out
}

/// Writes any other event as JSON.
pub fn write<T: Serialize>(event: &str, re: Option<&RequestId>, data: &T) -> String {
    #[derive(Serialize)]
    struct Out<'a, T> {
        event: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        re: Option<&'a RequestId>,
        data: &'a T,
    }
    let mut out = String::new();
    push_json(&mut out, &Out { event, re, data });
    out
}

/// The types written here have string keys and finite numbers only, so writing them cannot fail.
fn push_json<T: Serialize>(out: &mut String, value: &T) {
    match serde_json::to_string(value) {
        Ok(text) => out.push_str(&text),
        Err(error) => debug_assert!(false, "{error}"),
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
#[error("{code:?}: {message}")]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// When a repeat may succeed, where waiting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl ErrorBody {
    /// The same, with a time to wait.
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

/// See [`name::AUTHENTICATED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Authenticated {
    /// This connection.
    pub connection_id: String,
    /// Who the token says the caller is.
    pub user_id: UserId,
    /// The caller's organisation.
    pub organization_id: OrgId,
    /// The caller's roles.
    pub roles: Vec<String>,
    /// When the token ends, and the connection with it.
    pub expires_at: UnixMs,
    /// How often the server sends `server:ping`, in milliseconds.
    pub heartbeat_ms: u64,
    /// How long the client may be silent before it is closed, in milliseconds.
    pub silence_ms: u64,
    /// The server's clock.
    pub time: UnixMs,
    /// How large events are compressed from now on, both ways; without it, not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<String>,
}

/// See [`name::TOPICS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Topics {
    /// Some of the topics. Of a kind that this version does not know, none.
    #[serde(deserialize_with = "known")]
    pub topics: Vec<TopicState>,
    /// Another `topics` event follows.
    pub more: bool,
}

/// A later server may have kinds of topic that this version does not know: they are left out, as nothing could be done
/// with them.
fn known<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<TopicState>, D::Error> {
    #[derive(Deserialize)]
    struct Named {
        topic: String,
    }
    let mut states = Vec::new();
    for raw in Vec::<Box<RawValue>>::deserialize(d)? {
        let named: Named = serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?;
        let kind = named.topic.split(':').next().unwrap_or_default();
        if kind.parse::<TopicKind>().is_ok() {
            states.push(serde_json::from_str(raw.get()).map_err(serde::de::Error::custom)?);
        }
    }
    Ok(states)
}

/// Where a device stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct TopicState {
    /// The topic.
    pub topic: TopicName,
    /// The life of its log. Replaces the epoch of an older cursor.
    pub epoch: Epoch,
    /// Everything after this position follows as events.
    pub seq: Seq,
    /// The newest position.
    pub head: Seq,
    /// Countable events after the user's read mark.
    pub unread: u64,
    /// Whether the cursor could be honoured: with `true` nothing is missing; with `false` there is a gap before
    /// the events that follow. Absent where no cursor was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
}

/// See [`name::SERVER_PING`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ServerPing {
    /// The server's clock.
    pub time: UnixMs,
    /// Cursors that moved without an event for this client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    pub pos: Vec<Cursor>,
}

/// See [`name::SERVER_GOING_AWAY`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct GoingAway {
    /// The connection is closed after so long, in milliseconds.
    pub within_ms: u64,
}

/// See [`name::CLIENT_PONG`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Pong {
    /// The server's clock.
    pub time: UnixMs,
}

/// Answers `token:refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct TokenRefreshed {
    /// When the new token ends.
    pub expires_at: UnixMs,
    /// The roles that count from now on.
    pub roles: Vec<String>,
    /// Channels of which the new rights show another part: subscribe again. Those that they do not allow any more are told
    /// by [`name::SUBSCRIPTION_ENDED`]; all others go on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    pub resubscribe: Vec<Channel>,
}

/// See [`name::SUBSCRIPTION_ENDED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct SubscriptionEnded {
    /// The channel.
    pub channel: Channel,
    /// Its view: nothing of it follows.
    pub view: u32,
    /// Why: what a `subscribe` like the one that was granted gets now.
    pub error: ErrorBody,
}

/// See [`name::TOPICS_ENDED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct TopicsEnded {
    /// The kinds: no event and no receipt of such a topic follows.
    pub kinds: Vec<TopicKind>,
    /// Why.
    pub error: ErrorBody,
}

/// Answers `subscribe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Subscribed {
    /// One for each channel.
    pub subscriptions: Vec<Subscription>,
}

/// A channel as it was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Subscription {
    /// The channel.
    pub channel: Channel,
    /// The view whose ticks and events belong to it.
    pub view: u32,
    /// The life of the view's aliases.
    pub epoch: Epoch,
}

/// A conversation: data of [`name::CONVERSATION_CREATED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Conversation {
    /// Its id.
    pub conversation_id: ConversationId,
    /// Its kind.
    pub kind: ConversationKind,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// How many take part.
    pub member_count: u32,
    /// The first of them, at most [`LISTED_MEMBERS`], in order of their ids.
    pub members: Vec<UserId>,
}

/// Members that an event about a conversation names at most, so that it fits in one frame.
pub const LISTED_MEMBERS: usize = 100;

/// Answers `conversation:create`, `message:send` and `system:broadcast`: what was asked is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Stored {
    /// The topic.
    pub topic: TopicName,
    /// The life of its log.
    pub epoch: Epoch,
    /// The event's position.
    pub seq: Seq,
    /// When the server took it.
    pub at: UnixMs,
    /// It was stored by an earlier request with the same client id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    pub duplicate: bool,
    /// The conversation that was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
}

/// Answers `conversation:list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Conversations {
    /// A page, by id.
    pub conversations: Vec<ConversationSummary>,
    /// Where the next page starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ConversationId>,
}

/// A conversation and where its caller stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ConversationSummary {
    /// Its id.
    pub conversation_id: ConversationId,
    /// Its kind.
    pub kind: ConversationKind,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// How many take part.
    pub member_count: u32,
    /// The first of them, at most 20, in order of their ids.
    pub members: Vec<UserId>,
    /// The life of its log.
    pub epoch: Epoch,
    /// The newest position.
    pub head: Seq,
    /// Up to where the caller has read.
    pub read: Seq,
    /// Messages after that which can still be read.
    pub unread: u64,
    /// When its newest event was stored, while that can be read. Pages come in order of ids: who shows conversations by
    /// their newest event reads all pages first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<UnixMs>,
}

/// Data of [`name::MESSAGE_NEW`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MessageNew {
    /// Where.
    pub conversation_id: ConversationId,
    /// What. To be escaped by whoever shows it.
    pub text: String,
}

impl std::fmt::Debug for MessageNew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageNew")
            .field("conversation_id", &self.conversation_id)
            .field("text_bytes", &self.text.len())
            .finish()
    }
}

/// Answers `message:history`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct History {
    /// The events, oldest first.
    pub events: Vec<LogEvent>,
    /// There are more in the direction asked.
    pub more: bool,
    /// The newest position of the conversation.
    pub head: Seq,
    /// How far the members are.
    pub marks: Vec<MemberMark>,
}

/// How far a member is. Listed for at most 40 members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MemberMark {
    /// Who.
    pub user_id: UserId,
    /// A device of theirs has everything up to this position.
    pub delivered: Seq,
    /// They have read up to this position.
    pub read: Seq,
}

/// Data of [`name::MESSAGE_DELIVERED`] and [`name::MESSAGE_READ`], and the answer to the commands that cause them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Receipt {
    /// Where.
    pub conversation_id: ConversationId,
    /// Who.
    pub user_id: UserId,
    /// Up to and with this position.
    pub seq: Seq,
}

/// Data of [`name::SYSTEM_BROADCAST`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Notice {
    /// What everyone is told.
    pub message: String,
    /// How soon it was to arrive.
    pub priority: Priority,
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notice")
            .field("priority", &self.priority)
            .field("message_bytes", &self.message.len())
            .finish()
    }
}

/// An agent's alias, and its newest fix where one is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct AliasedAgent {
    /// Stands for the agent in ticks of this epoch.
    pub alias: u32,
    /// The agent.
    pub agent_id: UserId,
    /// Its newest fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<JsonFix>,
}

/// See [`name::LOCATION_SNAPSHOT`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LocationSnapshot {
    /// The view.
    pub view: u32,
    /// The life of the aliases. Another epoch than before: forget every agent of the view.
    pub epoch: Epoch,
    /// The agents of the view.
    pub agents: Vec<AliasedAgent>,
    /// Another part follows.
    pub more: bool,
}

/// See [`name::LOCATION_AGENTS`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LocationAgents {
    /// The view.
    pub view: u32,
    /// The life of the aliases.
    pub epoch: Epoch,
    /// The agents that joined, each with its first fix.
    pub agents: Vec<AliasedAgent>,
}

/// See [`name::LOCATION_REMOVED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LocationRemoved {
    /// The view.
    pub view: u32,
    /// The life of the aliases.
    pub epoch: Epoch,
    /// Who is no longer shown.
    pub aliases: Vec<u32>,
}

/// See [`name::LOCATION_STORED`]; also the answer to `location:update`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LocationStored {
    /// Counters of fixes that are stored, as ranges `[first, last]`.
    pub stored: Vec<(u64, u64)>,
    /// Fixes that will never be stored. Sending them again is of no use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    pub rejected: Vec<RejectedFix>,
}

/// A fix that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct RejectedFix {
    /// Its counter; 0 where that cannot be read.
    pub counter: u64,
    /// Why.
    pub reason: BadFix,
    /// Of `location:update`: which one of its fixes, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
}

/// Answers `location:latest`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LatestFixes {
    /// A page, by agent.
    pub agents: Vec<LatestAgent>,
    /// Where the next page starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// An agent as it is known now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LatestAgent {
    /// The agent.
    pub agent_id: UserId,
    /// Its newest fix. Only agents that were asked for by `refused` may have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<JsonFix>,
    /// Fixes of the agent that were refused lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedFixes>,
}

/// Fixes that were refused since the last one that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct RefusedFixes {
    /// Why the last of them was.
    pub reason: BadFix,
    /// How many.
    pub count: u64,
    /// When the last of them came, by the server's clock.
    pub last_at: UnixMs,
}

/// An agent's fix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct AgentFix {
    /// The agent.
    pub agent_id: UserId,
    /// The fix.
    pub fix: JsonFix,
}

/// Answers `location:history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Track {
    /// A page, by time.
    pub fixes: Vec<JsonFix>,
    /// Where the next page starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Answers `location:window`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct WindowFixes {
    /// A page, by UTC day, then by agent, then by time. It may hold none while there is a next page.
    pub fixes: Vec<AgentFix>,
    /// Where the next page starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_unknown_kinds_are_left_out() {
        let one = |topic: &str| format!(r#"{{"topic":"{topic}","epoch":1,"seq":0,"head":0,"unread":0}}"#);
        let read = |topic: &str| {
            let text = format!(r#"{{"topics":[{},{}],"more":false}}"#, one(topic), one("notice:all"));
            serde_json::from_str::<Topics>(&text)
        };
        assert_eq!(read("hologram:7").unwrap().topics.len(), 1);
        assert_eq!(read("conversation:7").unwrap().topics.len(), 2);
        assert!(read("conversation:").is_err(), "a known kind must be right");
    }

    #[test]
    fn unknown_codes_are_read() {
        let error: ErrorBody = serde_json::from_str(r#"{"code":"FROM_THE_FUTURE","message":""}"#).unwrap();
        assert_eq!(error.code, ErrorCode::Unknown);
    }
}
