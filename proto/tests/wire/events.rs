//! `vectors/events.json`: every event as it travels, byte for byte, and the answer to every command.

use fanfare_proto::{
    Command, ErrorBody, ServerEvent,
    command::Empty,
    event::{
        self, Authenticated, Conversation, Conversations, GoingAway, History, LatestFixes, LocationAgents,
        LocationRemoved, LocationSnapshot, LocationStored, MessageNew, Notice, Pong, Receipt, ServerPing,
        Stored, Subscribed, SubscriptionEnded, TokenRefreshed, Topics, TopicsEnded, Track, WindowFixes, name,
    },
    presence::{Presence, PresenceChanged, PresencePage, PresenceSnapshot},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::file::{self, Vector};

/// Commands with an answer of a name of their own, or with none.
const NO_REPLY: [&str; 3] = ["authenticate", "client:ping", "server:pong"];

/// Reads an event down to its last field and writes it again.
pub(crate) fn rewrite(wire: &str, answers: Option<&str>) -> String {
    let event = ServerEvent::parse(wire.as_bytes()).unwrap();
    match (event.event.as_str(), answers) {
        (name::AUTHENTICATED, _) => write::<Authenticated>(&event),
        (name::TOPICS, _) => write::<Topics>(&event),
        (name::SERVER_PING, _) => write::<ServerPing>(&event),
        (name::SERVER_GOING_AWAY, _) => write::<GoingAway>(&event),
        (name::SUBSCRIPTION_ENDED, _) => write::<SubscriptionEnded>(&event),
        (name::TOPICS_ENDED, _) => write::<TopicsEnded>(&event),
        (name::CLIENT_PONG, _) => write::<Pong>(&event),
        (name::CONVERSATION_CREATED, _) => write::<Conversation>(&event),
        (name::MESSAGE_NEW, _) => write::<MessageNew>(&event),
        (name::MESSAGE_DELIVERED | name::MESSAGE_READ, _)
        | (name::REPLY, Some("message:received" | "message:read")) => write::<Receipt>(&event),
        (name::SYSTEM_BROADCAST, _) => write::<Notice>(&event),
        (name::LOCATION_SNAPSHOT, _) => write::<LocationSnapshot>(&event),
        (name::LOCATION_AGENTS, _) => write::<LocationAgents>(&event),
        (name::LOCATION_REMOVED, _) => write::<LocationRemoved>(&event),
        (name::LOCATION_STORED, _) | (name::REPLY, Some("location:update")) => {
            write::<LocationStored>(&event)
        }
        (name::ERROR, _) => write::<ErrorBody>(&event),
        (name::REPLY, Some("token:refresh")) => write::<TokenRefreshed>(&event),
        (name::REPLY, Some("subscribe")) => write::<Subscribed>(&event),
        (name::EVENT_UNREADABLE, _) | (name::REPLY, Some("unsubscribe")) => write::<Empty>(&event),
        (name::REPLY, Some("conversation:create" | "message:send" | "system:broadcast")) => {
            write::<Stored>(&event)
        }
        (name::REPLY, Some("conversation:list")) => write::<Conversations>(&event),
        (name::REPLY, Some("message:history")) => write::<History>(&event),
        (name::REPLY, Some("location:latest")) => write::<LatestFixes>(&event),
        (name::REPLY, Some("location:history")) => write::<Track>(&event),
        (name::REPLY, Some("location:window")) => write::<WindowFixes>(&event),
        (name::PRESENCE_SNAPSHOT, _) => write::<PresenceSnapshot>(&event),
        (name::PRESENCE_CHANGED, _) => write::<PresenceChanged>(&event),
        (name::REPLY, Some("presence:set")) => write::<Presence>(&event),
        (name::REPLY, Some("presence:get")) => write::<PresencePage>(&event),
        other => panic!("no type for {other:?}"),
    }
}

fn write<T: Serialize + DeserializeOwned>(event: &ServerEvent) -> String {
    let data: T = event.data().unwrap();
    match &event.entry {
        Some(entry) => event::write_log(&event.event, entry, &serde_json::to_string(&data).unwrap()),
        None => event::write(&event.event, event.re.as_ref(), &data),
    }
}

#[test]
fn pinned() {
    let vectors: Vec<Vector> = file::read("events.json");
    for vector in &vectors {
        let rewritten = rewrite(vector.wire.get(), vector.answers.as_deref());
        assert_eq!(rewritten, vector.wire.get(), "{}", vector.name);
    }
    for name in name::ALL {
        let start = format!("{{\"event\":\"{name}\"");
        assert!(vectors.iter().any(|v| v.wire.get().starts_with(&start)), "{name} has no vector");
    }
    for name in Command::NAMES.iter().filter(|name| !NO_REPLY.contains(name)) {
        assert!(
            vectors.iter().any(|v| v.answers.as_deref() == Some(name)),
            "the answer to {name} has no vector"
        );
    }
}

/// A history lists events as they were sent live.
#[test]
fn history_lists_live_events() {
    let vectors: Vec<Vector> = file::read("events.json");
    let find = |name: &str| vectors.iter().find(|v| v.name == name).unwrap().wire.get();
    let history: History = ServerEvent::parse(find("answer to message:history").as_bytes())
        .and_then(|event| event.data())
        .unwrap();
    let listed = serde_json::to_string(&history.events[0]).unwrap();
    assert_eq!(listed, find("message:new"));
}

/// What a client of today makes of an event of tomorrow.
#[test]
fn unknown_events_and_fields_can_be_read() {
    let event = ServerEvent::parse(br#"{"event":"kpi:update","new":1,"data":{"a":[1]}}"#).unwrap();
    assert_eq!(event.event, "kpi:update");
    assert!(event.entry.is_none());
    assert!(ServerEvent::parse(br#"{"event":"x"}"#).unwrap().data.is_none());
}

#[test]
fn what_is_no_event() {
    for wire in [
        &b""[..],
        b"null",
        b"{}",
        br#"{"event":1}"#,
        br#"{"event":"x","seq":-1}"#,
        br#"{"event":"x","topic":"y"}"#,
        br#"{"event":"x","event":"y"}"#,
        b"{\"event\":\"x\",\"data\":\"\xff\"}",
    ] {
        let read = ServerEvent::parse(wire);
        assert!(read.is_err(), "{} -> {read:?}", String::from_utf8_lossy(wire));
    }
}
