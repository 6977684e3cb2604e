//! Strategies: any valid value of each type.

use fanfare_proto::{
    ClientId, Command, ConversationId, Cursor, DepartmentId, DeviceId, Epoch, Fix, JsonFix, Motion, Position,
    Request, RequestId, Seq, TopicName, UnixMs, UserId,
    command::{
        Authenticate, Channel, ConversationCreate, ConversationKind, ConversationList, Empty,
        LocationHistory, LocationLatest, LocationUpdate, LocationWindow, MessageHistory, MessageMark,
        MessageSend, Priority, Subscribe, SystemBroadcast, TokenRefresh, Unsubscribe,
    },
    id::{MAX_NUMBER, TopicKind},
    presence::{Availability, PresenceGet, PresenceSet},
    tick::Tick,
};
use proptest::{collection::vec, option::of, prelude::*, sample::select};

pub(crate) fn id_text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[A-Za-z0-9._@+|=~:-]{1,40}",
        1 => "[A-Za-z0-9._@+|=~:-]{128}",
    ]
}

macro_rules! ids {
    ($($name:ident -> $type:ty;)*) => {
        $(fn $name() -> impl Strategy<Value = $type> {
            id_text().prop_map(|text| text.parse().unwrap())
        })*
    };
}

ids! {
    client_id -> ClientId;
    conversation_id -> ConversationId;
    department_id -> DepartmentId;
    device_id -> DeviceId;
    user_id -> UserId;
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..1_000_u64, 0..=MAX_NUMBER, Just(MAX_NUMBER)]
}

fn seq() -> impl Strategy<Value = Seq> {
    number().prop_map(Seq)
}

fn time() -> impl Strategy<Value = UnixMs> {
    prop_oneof![1_700_000_000_000..2_000_000_000_000_u64, number()].prop_map(UnixMs)
}

pub(crate) fn topic() -> impl Strategy<Value = TopicName> {
    (select(TopicKind::ALL.to_vec()), id_text())
        .prop_map(|(kind, key)| TopicName { kind, key: key.parse().unwrap() })
}

pub(crate) fn cursor() -> impl Strategy<Value = Cursor> {
    (topic(), any::<u32>(), seq()).prop_map(|(topic, epoch, seq)| Cursor { topic, epoch: Epoch(epoch), seq })
}

fn position() -> impl Strategy<Value = Position> {
    let edge = |max: i32| prop_oneof![-max..=max, select(vec![-max, -1, 0, 1, max])];
    (edge(900_000_000), edge(1_800_000_000)).prop_map(|(lat, lon)| Position::from_e7(lat, lon).unwrap())
}

fn motion() -> impl Strategy<Value = Motion> {
    (of(0..=65_534_u16), of(0..=65_534_u16), of(0..=35_999_u16), of(0..=100_u8)).prop_map(
        |(accuracy, speed, heading, battery)| Motion::from_raw(accuracy, speed, heading, battery).unwrap(),
    )
}

pub(crate) fn fix() -> impl Strategy<Value = Fix> {
    (number(), time(), position(), motion()).prop_map(|(counter, time, position, motion)| Fix {
        counter: counter.max(1),
        time,
        position,
        motion,
    })
}

pub(crate) fn tick() -> impl Strategy<Value = Tick> {
    (any::<u32>(), time(), position(), motion()).prop_map(|(alias, time, position, motion)| Tick {
        alias,
        time,
        position,
        motion,
    })
}

/// Text with all that JSON has to escape, of one to `max` bytes.
fn text(max: usize) -> impl Strategy<Value = String> {
    prop_oneof![".{1,60}", "[\\x00-\\x7f]{1,60}", "\\PC{1,60}"].prop_map(move |mut text| {
        while text.len() > max {
            text.pop();
        }
        text
    })
}

pub(crate) fn request_id() -> impl Strategy<Value = RequestId> {
    prop_oneof![any::<u64>().prop_map(RequestId::Number), "[ -~]{0,64}".prop_map(RequestId::Text),]
}

fn limit() -> impl Strategy<Value = Option<u16>> {
    of(any::<u16>())
}

fn authenticate() -> impl Strategy<Value = Authenticate> {
    (of("[ -~]{0,200}"), of(device_id()), vec(cursor(), 0..5), vec("[a-z-]{0,12}", 0..4)).prop_map(
        |(token, device_id, cursors, compress)| Authenticate { token, device_id, cursors, compress },
    )
}

fn conversation_create() -> impl Strategy<Value = ConversationCreate> {
    let kind = select(vec![ConversationKind::Private, ConversationKind::Group]);
    (client_id(), kind, of(text(256)), vec(user_id(), 0..5))
        .prop_map(|(client_id, kind, title, members)| ConversationCreate { client_id, kind, title, members })
}

fn message_send() -> impl Strategy<Value = MessageSend> {
    (client_id(), conversation_id(), text(16 * 1024))
        .prop_map(|(client_id, conversation_id, text)| MessageSend { client_id, conversation_id, text })
}

fn message_history() -> impl Strategy<Value = MessageHistory> {
    let at_most_one = prop_oneof![
        Just((None, None)),
        seq().prop_map(|seq| (Some(seq), None)),
        seq().prop_map(|seq| (None, Some(seq))),
    ];
    (conversation_id(), at_most_one, limit()).prop_map(|(conversation_id, (before, after), limit)| {
        MessageHistory { conversation_id, before, after, limit }
    })
}

fn message_mark() -> impl Strategy<Value = MessageMark> {
    (conversation_id(), seq()).prop_map(|(conversation_id, seq)| MessageMark { conversation_id, seq })
}

fn location_history() -> impl Strategy<Value = LocationHistory> {
    (user_id(), time(), time(), of("[ -~]{0,128}"), limit()).prop_map(|(agent_id, a, b, after, limit)| {
        LocationHistory { agent_id, from: a.min(b), to: a.max(b), after, limit }
    })
}

fn location_window() -> impl Strategy<Value = LocationWindow> {
    (time(), time(), of(department_id()), of("[ -~]{0,256}"), limit()).prop_map(
        |(a, b, department_id, after, limit)| LocationWindow {
            from: a.min(b),
            to: a.max(b),
            department_id,
            after,
            limit,
        },
    )
}

fn system_broadcast() -> impl Strategy<Value = SystemBroadcast> {
    let priority = select(vec![Priority::Low, Priority::Medium, Priority::High, Priority::Urgent]);
    (client_id(), text(4096), priority).prop_map(|(client_id, message, priority)| SystemBroadcast {
        client_id,
        message,
        priority,
    })
}

fn channels() -> impl Strategy<Value = Vec<Channel>> {
    vec(select(vec![Channel::Locations, Channel::Presence]), 0..=16)
}

fn presence_set() -> impl Strategy<Value = (Option<Availability>, Option<String>)> {
    use Availability::{Away, Busy, Offline, Online};
    // What JSON escapes may travel as six bytes.
    (of(select(vec![Offline, Away, Online, Busy])), of(text(42)))
}

/// Any valid command of the given name. A name without a line here fails the tests.
pub(crate) fn command(name: &str) -> BoxedStrategy<Command> {
    match name {
        "authenticate" => authenticate().prop_map(Command::Authenticate).boxed(),
        "subscribe" => (channels(), of(department_id()), of(vec(user_id(), 0..5)))
            .prop_map(|(channels, department_id, users)| {
                Command::Subscribe(Subscribe { channels, department_id, users })
            })
            .boxed(),
        "unsubscribe" => {
            channels().prop_map(|channels| Command::Unsubscribe(Unsubscribe { channels })).boxed()
        }
        "token:refresh" => {
            "[ -~]{0,200}".prop_map(|token| Command::TokenRefresh(TokenRefresh { token })).boxed()
        }
        "client:ping" => Just(Command::Ping(Empty {})).boxed(),
        "server:pong" => Just(Command::Pong(Empty {})).boxed(),
        "conversation:create" => conversation_create().prop_map(Command::ConversationCreate).boxed(),
        "conversation:list" => (of(conversation_id()), limit())
            .prop_map(|(after, limit)| Command::ConversationList(ConversationList { after, limit }))
            .boxed(),
        "message:send" => message_send().prop_map(Command::MessageSend).boxed(),
        "message:history" => message_history().prop_map(Command::MessageHistory).boxed(),
        "message:received" => message_mark().prop_map(Command::MessageReceived).boxed(),
        "message:read" => message_mark().prop_map(Command::MessageRead).boxed(),
        "location:update" => vec(fix().prop_map(JsonFix::from), 0..8)
            .prop_map(|fixes| {
                Command::LocationUpdate(LocationUpdate { fixes: fixes.into_iter().map(Into::into).collect() })
            })
            .boxed(),
        "location:latest" => (of(user_id()), limit(), any::<bool>())
            .prop_map(|(after, limit, refused)| {
                Command::LocationLatest(LocationLatest { after, limit, refused })
            })
            .boxed(),
        "location:history" => location_history().prop_map(Command::LocationHistory).boxed(),
        "location:window" => location_window().prop_map(Command::LocationWindow).boxed(),
        "system:broadcast" => system_broadcast().prop_map(Command::SystemBroadcast).boxed(),
        "presence:set" => presence_set()
            .prop_map(|(status, text)| Command::PresenceSet(PresenceSet { status, text }))
            .boxed(),
        "presence:get" => (of(vec(user_id(), 0..5)), of(user_id()), limit())
            .prop_map(|(users, after, limit)| Command::PresenceGet(PresenceGet { users, after, limit }))
            .boxed(),
        other => panic!("no strategy for {other}"),
    }
}

pub(crate) fn request() -> impl Strategy<Value = Request> {
    (of(request_id()), select(Command::NAMES.to_vec()).prop_flat_map(command))
        .prop_map(|(id, command)| Request { id, command })
}
