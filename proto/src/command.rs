//! What a client may say: one row of the table is one command, `"name" => Variant(data) -> answer`.
//!
//! On the wire: `{"event":"message:send","id":"7","data":{…}}`. `id` is the client's, and comes back as `re`.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    code::ErrorCode,
    event::ErrorBody,
    fix::{BadFix, Fix, JsonFix},
    id::{ClientId, ConversationId, Cursor, DepartmentId, DeviceId, Seq, UnixMs, UserId},
    presence::{MAX_WATCHED, PresenceGet, PresenceSet},
};

/// Most cursors that `authenticate` takes. Other topics come back as head and unread count.
pub const MAX_CURSORS: usize = 100;
/// Most ways of compression that `authenticate` names.
pub const MAX_COMPRESS: usize = 8;
/// Most members of a conversation.
pub const MAX_MEMBERS: usize = 1000;
/// Longest message text, in bytes of its JSON form: what is escaped counts as it travels.
pub const MAX_TEXT: usize = 16 * 1024;
/// Longest title of a conversation, in bytes.
pub const MAX_TITLE: usize = 256;
/// Longest text of a broadcast, in bytes of its JSON form.
pub const MAX_BROADCAST: usize = 4 * 1024;
/// Most fixes of one `location:update`.
pub const MAX_FIXES: usize = 500;
/// Longest token, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// A request's id, as the client wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(untagged)]
pub enum RequestId {
    /// `"id": 7`
    Number(u64),
    /// `"id": "7"`, at most 64 bytes.
    Text(String),
}

/// A request that passed all checks that need nothing but the message.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What the answer will name.
    pub id: Option<RequestId>,
    /// What is asked.
    pub command: Command,
}

/// A message that is no request, and what the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The request's id, where it could be read.
    pub id: Option<RequestId>,
    /// Why.
    pub error: ErrorBody,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(default)]
    id: Option<RequestId>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:literal => $variant:ident($body:ty) -> $answer:ty,)*) => {
        /// Everything a client may ask.
        ///
        /// Whoever serves commands decides about each, so a new one breaks their `match`.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Command {
            $($(#[$doc])* $variant($body),)*
        }

        impl Command {
            /// Every command's name.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The command's name on the wire.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            fn parse(event: &str, data: &str) -> Result<Self, ErrorBody> {
                if !data.starts_with('{') {
                    return Err(not_an_object("data"));
                }
                match event {
                    $($name => {
                        let body: $body = serde_json::from_str(data).map_err(|e| invalid(event, &e))?;
                        body.check().map_err(|why| ErrorCode::InvalidMessage.with(format!("{event}: {why}")))?;
                        Ok(Self::$variant(body))
                    })*
                    _ => Err(ErrorCode::InvalidMessage.with("unknown event")),
                }
            }

            fn write(&self, id: Option<&RequestId>) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$variant(body) => serde_json::to_string(&Outgoing { event: $name, id, data: body }),)*
                }
            }

            /// Tells of every command its name, its data's type and its answer's.
            #[cfg(feature = "typescript")]
            pub(crate) fn describe(types: &mut crate::typescript::Types) -> Vec<crate::typescript::CommandRow> {
                use crate::{event::*, presence::*};
                vec![$(crate::typescript::CommandRow {
                    name: $name,
                    data: types.name::<$body>(),
                    answer: types.name::<$answer>(),
                    durable: types.inline::<$body>().contains("client_id:"),
                }),*]
            }
        }
    };
}

commands! {
    /// The first message of every connection.
    "authenticate" => Authenticate(Authenticate) -> Authenticated,
    /// Follow channels of the organisation.
    "subscribe" => Subscribe(Subscribe) -> Subscribed,
    /// Follow them no longer.
    "unsubscribe" => Unsubscribe(Unsubscribe) -> Empty,
    /// Asks for `client:pong`.
    "client:ping" => Ping(Empty) -> Pong,
    /// Answers `server:ping`.
    "server:pong" => Pong(Empty) -> (),
    /// Stay with a newer token.
    "token:refresh" => TokenRefresh(TokenRefresh) -> TokenRefreshed,
    /// Create a conversation.
    "conversation:create" => ConversationCreate(ConversationCreate) -> Stored,
    /// The caller's conversations.
    "conversation:list" => ConversationList(ConversationList) -> Conversations,
    /// Send a message.
    "message:send" => MessageSend(MessageSend) -> Stored,
    /// Read a conversation's log.
    "message:history" => MessageHistory(MessageHistory) -> History,
    /// A device of the caller has the messages up to a position.
    "message:received" => MessageReceived(MessageMark) -> Receipt,
    /// The caller has read the messages up to a position.
    "message:read" => MessageRead(MessageMark) -> Receipt,
    /// Fixes, reliably: answered when they are stored.
    "location:update" => LocationUpdate(LocationUpdate) -> LocationStored,
    /// The newest position of every agent that the caller may see.
    "location:latest" => LocationLatest(LocationLatest) -> LatestFixes,
    /// An agent's track.
    "location:history" => LocationHistory(LocationHistory) -> Track,
    /// The fixes of all agents that the caller may see, of a span of time.
    "location:window" => LocationWindow(LocationWindow) -> WindowFixes,
    /// A notice to everyone of the organisation.
    "system:broadcast" => SystemBroadcast(SystemBroadcast) -> Stored,
    /// What the caller is to others.
    "presence:set" => PresenceSet(PresenceSet) -> Presence,
    /// Who is there.
    "presence:get" => PresenceGet(PresenceGet) -> PresencePage,
}

impl Request {
    /// Reads a JSON event.
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let refuse = |id, error| Refusal { id, error };
        let text = std::str::from_utf8(text)
            .map_err(|_| refuse(None, ErrorCode::InvalidMessage.with("not UTF-8")))?;
        if text.trim_start().starts_with('[') {
            return Err(refuse(None, not_an_object("message")));
        }
        let envelope: Envelope<'_> =
            serde_json::from_str(text).map_err(|e| refuse(None, invalid("message", &e)))?;
        let id = match envelope.id {
            Some(RequestId::Text(id)) if id.len() > 64 => {
                return Err(refuse(None, ErrorCode::InvalidMessage.with("an id has at most 64 bytes")));
            }
            id => id,
        };
        let data = envelope.data.map_or("{}", RawValue::get);
        let Some(event) = envelope.event else {
            return Err(refuse(id, ErrorCode::InvalidMessage.with("event is missing")));
        };
        match Command::parse(&event, data) {
            Ok(command) => Ok(Self { id, command }),
            Err(error) => Err(refuse(id, error)),
        }
    }

    /// Writes it as JSON. A number that is not finite becomes `null`, which no server takes.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        self.command.write(self.id.as_ref())
    }
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RequestId>,
    data: &'a T,
}

/// Tells the sender what is wrong and where. May repeat a piece of the message, so it is never logged.
fn invalid(what: &str, error: &serde_json::Error) -> ErrorBody {
    let problem = match error.classify() {
        serde_json::error::Category::Data => error.to_string().chars().take(200).collect(),
        _ => format!("not valid JSON at column {}", error.column()),
    };
    ErrorCode::InvalidMessage.with(format!("{what}: {problem}"))
}

/// Serde would take an array for an object, its fields by position: an order that the protocol does not have.
fn not_an_object(what: &str) -> ErrorBody {
    ErrorCode::InvalidMessage.with(format!("{what}: an object is expected"))
}

/// Limits on single fields, known without asking anyone.
pub(crate) trait Check {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

pub(crate) fn at_most(what: &str, length: usize, limit: usize) -> Result<(), String> {
    if length > limit {
        return Err(format!("{what}: its length is {length}, and the limit is {limit}"));
    }
    Ok(())
}

/// The same for a text that people write: counted as it travels, between the quotes of its JSON form.
pub(crate) fn text_at_most(what: &str, text: &str, limit: usize) -> Result<(), String> {
    let length = json_length(text);
    if length > limit {
        return Err(format!("{what}: it is {length} bytes long as JSON, and the limit is {limit}"));
    }
    Ok(())
}

/// Bytes of a text between the quotes of its JSON form.
pub(crate) fn json_length(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// A command without content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Empty {}
impl Check for Empty {}

/// See [`Command::Authenticate`].
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Authenticate {
    /// The JSON web token. May be left out where the handshake carried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The device, kept by the client. Without one the connection is a device of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// Where the device stands, newest topics first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    pub cursors: Vec<Cursor>,
    /// Ways of compression that the client can undo, such as [`deflate::NAME`](crate::deflate::NAME). What the server
    /// does not know is passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    pub compress: Vec<String>,
}

impl std::fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticate")
            .field("device_id", &self.device_id)
            .field("cursors", &self.cursors)
            .field("compress", &self.compress)
            .finish_non_exhaustive()
    }
}

impl Check for Authenticate {
    fn check(&self) -> Result<(), String> {
        at_most("token", self.token.as_ref().map_or(0, String::len), MAX_TOKEN)?;
        at_most("cursors", self.cursors.len(), MAX_CURSORS)?;
        at_most("compress", self.compress.len(), MAX_COMPRESS)
    }
}

/// See [`Command::TokenRefresh`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct TokenRefresh {
    /// A token of the same user and organisation.
    pub token: String,
}

impl std::fmt::Debug for TokenRefresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRefresh").finish_non_exhaustive()
    }
}

impl Check for TokenRefresh {
    fn check(&self) -> Result<(), String> {
        at_most("token", self.token.len(), MAX_TOKEN)
    }
}

/// What can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Live positions.
    Locations,
    /// Who is there.
    Presence,
}

/// See [`Command::Subscribe`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Subscribe {
    /// Which channels.
    pub channels: Vec<Channel>,
    /// Of `locations`, only what happens in this department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<DepartmentId>,
    /// Of `presence`, just these users. Without it, everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<UserId>>,
}

impl Check for Subscribe {
    fn check(&self) -> Result<(), String> {
        at_most("channels", self.channels.len(), 16)?;
        at_most("users", self.users.as_ref().map_or(0, Vec::len), MAX_WATCHED)
    }
}

/// See [`Command::Unsubscribe`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct Unsubscribe {
    /// Which channels.
    pub channels: Vec<Channel>,
}

impl Check for Unsubscribe {
    fn check(&self) -> Result<(), String> {
        at_most("channels", self.channels.len(), 16)
    }
}

/// Kinds of conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Of exactly two people.
    Private,
    /// Of any number.
    Group,
}

/// See [`Command::ConversationCreate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ConversationCreate {
    /// Makes a repeat harmless.
    pub client_id: ClientId,
    /// What kind.
    pub kind: ConversationKind,
    /// A name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who takes part, besides the caller.
    pub members: Vec<UserId>,
}

impl Check for ConversationCreate {
    fn check(&self) -> Result<(), String> {
        text_at_most("title", self.title.as_deref().unwrap_or_default(), MAX_TITLE)?;
        at_most("members", self.members.len(), MAX_MEMBERS)
    }
}

/// See [`Command::ConversationList`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct ConversationList {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ConversationId>,
    /// Most conversations to answer (1 to 20).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}
impl Check for ConversationList {}

/// See [`Command::MessageSend`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MessageSend {
    /// Makes a repeat harmless: the first answer comes again.
    pub client_id: ClientId,
    /// Where to.
    pub conversation_id: ConversationId,
    /// The message. Opaque to the server; whoever shows it escapes it.
    pub text: String,
}

impl std::fmt::Debug for MessageSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageSend")
            .field("client_id", &self.client_id)
            .field("conversation_id", &self.conversation_id)
            .field("text_bytes", &self.text.len())
            .finish()
    }
}

impl Check for MessageSend {
    fn check(&self) -> Result<(), String> {
        if self.text.is_empty() {
            return Err("text is empty".into());
        }
        text_at_most("text", &self.text, MAX_TEXT)
    }
}

/// See [`Command::MessageHistory`]. Without `before` and `after` the newest page is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MessageHistory {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// The newest events before this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// The oldest events after this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// Most events to answer (1 to 100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

impl Check for MessageHistory {
    fn check(&self) -> Result<(), String> {
        if self.before.is_some() && self.after.is_some() {
            return Err("give before or after, not both".into());
        }
        Ok(())
    }
}

/// See [`Command::MessageReceived`] and [`Command::MessageRead`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct MessageMark {
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// Up to and with this position.
    pub seq: Seq,
}
impl Check for MessageMark {}

/// See [`Command::LocationUpdate`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LocationUpdate {
    /// The fixes, each told apart by its counter.
    #[cfg_attr(feature = "typescript", ts(as = "Vec<JsonFix>"))]
    pub fixes: Vec<GivenFix>,
}

/// One entry of a `location:update`. One that cannot be read must not keep the others from being stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GivenFix {
    /// It can be read.
    Fix(JsonFix),
    /// A field is missing or of another type.
    Unreadable {
        /// Its counter; 0 where that cannot be read either.
        counter: u64,
    },
}

impl GivenFix {
    /// What names it; 0 where that cannot be read.
    pub const fn counter(&self) -> u64 {
        match self {
            Self::Fix(fix) => fix.counter,
            Self::Unreadable { counter } => *counter,
        }
    }
}

impl TryFrom<GivenFix> for Fix {
    type Error = BadFix;
    fn try_from(given: GivenFix) -> Result<Self, BadFix> {
        match given {
            GivenFix::Fix(json) => json.try_into(),
            GivenFix::Unreadable { .. } => Err(BadFix::Malformed),
        }
    }
}

impl From<Fix> for GivenFix {
    fn from(fix: Fix) -> Self {
        Self::Fix(fix.into())
    }
}

impl From<JsonFix> for GivenFix {
    fn from(fix: JsonFix) -> Self {
        Self::Fix(fix)
    }
}

impl Serialize for GivenFix {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fix(fix) => fix.serialize(s),
            Self::Unreadable { counter } => Counter { counter: *counter }.serialize(s),
        }
    }
}

impl<'de> Deserialize<'de> for GivenFix {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(d)?;
        // Serde would take an array for an object.
        let object = Some(raw.get()).filter(|text| text.starts_with('{'));
        let fix = object.and_then(|text| serde_json::from_str(text).ok());
        Ok(fix.map_or_else(
            || {
                let counter = object.and_then(|text| serde_json::from_str::<Counter>(text).ok());
                Self::Unreadable { counter: counter.map_or(0, |read| read.counter) }
            },
            Self::Fix,
        ))
    }
}

/// What names a fix that cannot be read.
#[derive(Serialize, Deserialize)]
struct Counter {
    counter: u64,
}

impl Check for LocationUpdate {
    fn check(&self) -> Result<(), String> {
        at_most("fixes", self.fixes.len(), MAX_FIXES)
    }
}

/// See [`Command::LocationLatest`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LocationLatest {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UserId>,
    /// Most agents to answer (1 to 100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only agents of whom fixes were refused lately, also those without any other.
    #[serde(default, skip_serializing_if = "is_false")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    pub refused: bool,
}
impl Check for LocationLatest {}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// See [`Command::LocationHistory`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LocationHistory {
    /// Whose track.
    pub agent_id: UserId,
    /// From this time on.
    pub from: UnixMs,
    /// Up to and with this time.
    pub to: UnixMs,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most fixes to answer (1 to 200).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

impl Check for LocationHistory {
    fn check(&self) -> Result<(), String> {
        if self.from > self.to {
            return Err("from lies after to".into());
        }
        at_most("after", self.after.as_ref().map_or(0, String::len), 128)
    }
}

/// See [`Command::LocationWindow`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct LocationWindow {
    /// From this time on.
    pub from: UnixMs,
    /// Up to and with this time.
    pub to: UnixMs,
    /// Only the agents of this department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department_id: Option<DepartmentId>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most fixes to answer (1 to 100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
}

impl Check for LocationWindow {
    fn check(&self) -> Result<(), String> {
        if self.from > self.to {
            return Err("from lies after to".into());
        }
        at_most("after", self.after.as_ref().map_or(0, String::len), 256)
    }
}

impl Command {
    /// Whether somebody may be in danger: then it waits for nothing that is not urgent itself.
    pub fn is_urgent(&self) -> bool {
        matches!(self, Self::SystemBroadcast(notice) if notice.priority == Priority::Urgent)
    }
}

/// How soon a notice must arrive. `urgent` travels on the urgent lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Whenever.
    Low,
    /// As usual.
    #[default]
    Medium,
    /// Soon.
    High,
    /// Before everything else.
    Urgent,
}

/// See [`Command::SystemBroadcast`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(optional_fields))]
pub struct SystemBroadcast {
    /// Makes a repeat harmless.
    pub client_id: ClientId,
    /// What everyone is told.
    pub message: String,
    /// How soon.
    #[serde(default)]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<_>"))]
    pub priority: Priority,
}

impl std::fmt::Debug for SystemBroadcast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemBroadcast")
            .field("client_id", &self.client_id)
            .field("priority", &self.priority)
            .field("message_bytes", &self.message.len())
            .finish()
    }
}

impl Check for SystemBroadcast {
    fn check(&self) -> Result<(), String> {
        if self.message.is_empty() {
            return Err("message is empty".into());
        }
        text_at_most("message", &self.message, MAX_BROADCAST)
    }
}
