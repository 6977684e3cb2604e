//! `vectors/codes.json` and `vectors/names.json`: codes, limits and names.

use fanfare_proto::{
    Advice, BadFix, CloseCode, Cursor, ErrorCode, Lane, TopicName, UserId, command, deflate, frame, id,
    presence, tick,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::file;

#[derive(Deserialize)]
struct Codes {
    close: Vec<Close>,
    unknown_close: Vec<Unknown>,
    errors: Vec<ErrorCode>,
    bad_fixes: Vec<BadFix>,
    limits: Value,
}

#[derive(Deserialize)]
struct Close {
    code: u16,
    reason: String,
    advice: Advice,
}

#[derive(Deserialize)]
struct Unknown {
    code: u32,
    advice: Advice,
}

#[test]
fn codes() {
    let codes: Codes = file::read("codes.json");
    let raw: Value = file::read("codes.json");
    assert_eq!(codes.close.len(), CloseCode::ALL.len());
    for (code, pinned) in CloseCode::ALL.into_iter().zip(codes.close) {
        assert_eq!((code.number(), code.reason()), (pinned.code, pinned.reason.as_str()));
        assert_eq!(Advice::of(u32::from(code.number())), pinned.advice, "{code:?}");
        assert!(code.reason().len() <= 123, "a WebSocket close frame holds no more");
    }
    for unknown in codes.unknown_close {
        assert_eq!(Advice::of(unknown.code), unknown.advice, "{}", unknown.code);
    }
    assert_eq!(codes.errors, ErrorCode::ALL);
    assert_eq!(serde_json::to_value(ErrorCode::ALL).unwrap(), raw["errors"]);
    assert_eq!(codes.bad_fixes, BadFix::ALL);
    let names: Vec<&str> = BadFix::ALL.into_iter().map(BadFix::as_str).collect();
    assert_eq!(json!(names), raw["bad_fixes"]);
}

#[test]
fn close_codes_differ() {
    let mut numbers = CloseCode::ALL.map(CloseCode::number).to_vec();
    numbers.dedup();
    assert!(numbers.is_sorted());
    assert_eq!(numbers.len(), CloseCode::ALL.len());
}

#[test]
fn limits() {
    let codes: Codes = file::read("codes.json");
    let limits = json!({
        "id_bytes": id::MAX_ID,
        "request_id_bytes": 64,
        "number": id::MAX_NUMBER,
        "event_bytes": frame::MAX_EVENT,
        "sent_event_bytes": frame::MAX_SENT,
        "frame_header_bytes": frame::HEADER,
        "compressed_mark": deflate::MARK,
        "compress": command::MAX_COMPRESS,
        "packet_bytes": tick::MAX_PACKET,
        "packet_version": tick::VERSION,
        "token_bytes": command::MAX_TOKEN,
        "cursors": command::MAX_CURSORS,
        "members": command::MAX_MEMBERS,
        "title_bytes": command::MAX_TITLE,
        "text_bytes": command::MAX_TEXT,
        "broadcast_bytes": command::MAX_BROADCAST,
        "fixes": command::MAX_FIXES,
        "status_text_bytes": presence::MAX_STATUS_TEXT,
        "watched_users": presence::MAX_WATCHED,
        "presence_page": presence::MAX_PRESENCE_PAGE,
    });
    assert_eq!(codes.limits, limits);
}

#[derive(Deserialize)]
struct Names {
    ids: Vec<String>,
    bad_ids: Vec<String>,
    topics: Vec<Topic>,
    bad_topics: Vec<String>,
    cursors: Vec<Value>,
    bad_cursors: Vec<Value>,
}

#[derive(Deserialize)]
struct Topic {
    text: String,
    kind: String,
    key: String,
    lane: String,
}

#[test]
fn names() {
    let names: Names = file::read("names.json");
    for text in names.ids {
        assert_eq!(UserId::new(&text).unwrap().as_str(), text);
    }
    for text in names.bad_ids {
        assert!(UserId::new(&text).is_err(), "{text:?}");
    }
    for topic in names.topics {
        let read: TopicName = topic.text.parse().unwrap();
        assert_eq!(read.to_string(), topic.text);
        assert_eq!((read.kind.as_str(), read.key.as_str()), (&*topic.kind, &*topic.key));
        let lane = match read.kind.lane() {
            Lane::Urgent => "urgent",
            Lane::Ordered => "ordered",
        };
        assert_eq!(lane, topic.lane);
    }
    for text in names.bad_topics {
        assert!(text.parse::<TopicName>().is_err(), "{text:?}");
    }
    for value in names.cursors {
        let cursor: Cursor = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(cursor).unwrap(), value);
    }
    for value in names.bad_cursors {
        assert!(serde_json::from_value::<Cursor>(value.clone()).is_err(), "{value}");
    }
}
