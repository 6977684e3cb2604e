//! `vectors/refusals.json`, and what is too large to write down there.

use std::fmt::Write;

use fanfare_proto::{ErrorCode, Refusal, Request, RequestId, command, presence};
use serde::Deserialize;

use crate::file;

#[derive(Deserialize)]
struct Vectors {
    accepted: Vec<Accepted>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Accepted {
    name: String,
    text: String,
    same_as: String,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    text: Option<String>,
    hex: Option<String>,
    /// The id that the refusal names.
    id: Option<RequestId>,
}

#[test]
fn pinned() {
    let vectors: Vectors = file::read("refusals.json");
    for Accepted { name, text, same_as } in vectors.accepted {
        let request = Request::parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_eq!(request.to_json().unwrap(), same_as, "{name}");
    }
    for Refused { name, text, hex, id } in vectors.refused {
        let bytes = text.map_or_else(|| file::bytes(&hex.unwrap()), String::into_bytes);
        let refusal = refusal(&bytes, &name);
        assert_eq!(refusal.id, id, "{name}");
    }
}

fn refusal(bytes: &[u8], name: &str) -> Refusal {
    let refusal = Request::parse(bytes).expect_err(name);
    assert_eq!(refusal.error.code, ErrorCode::InvalidMessage, "{name}");
    assert!(refusal.error.message.len() < 400, "{name}: {}", refusal.error);
    refusal
}

fn message(event: &str, data: &str) -> String {
    format!("{{\"event\":\"{event}\",\"id\":7,\"data\":{data}}}")
}

/// A message whose measured part has the given size.
type Sized<'a> = Box<dyn Fn(usize) -> String + 'a>;

/// Each limit takes its value and nothing more, and the refusal names the request.
#[test]
fn limits() {
    let fill = |n: usize| "x".repeat(n);
    let list = |item: &str, n: usize| format!("[{}]", vec![item; n].join(","));
    let fix = r#"{"counter":1,"time":1,"lat":0,"lon":0}"#;
    let cursor = r#"{"topic":"notice:o","epoch":1,"seq":1}"#;
    let cases: [(usize, Sized<'_>); 15] = [
        (command::MAX_TOKEN, Box::new(|n| message("authenticate", &format!(r#"{{"token":"{}"}}"#, fill(n))))),
        (
            command::MAX_CURSORS,
            Box::new(|n| message("authenticate", &format!(r#"{{"cursors":{}}}"#, list(cursor, n)))),
        ),
        (128, Box::new(|n| message("authenticate", &format!(r#"{{"device_id":"{}"}}"#, fill(n))))),
        (16, Box::new(|n| message("subscribe", &format!(r#"{{"channels":{}}}"#, list("\"locations\"", n))))),
        (
            16,
            Box::new(|n| message("unsubscribe", &format!(r#"{{"channels":{}}}"#, list("\"locations\"", n)))),
        ),
        (
            command::MAX_TITLE,
            Box::new(|n| {
                message(
                    "conversation:create",
                    &format!(r#"{{"client_id":"k","kind":"group","title":"{}","members":[]}}"#, fill(n)),
                )
            }),
        ),
        (
            command::MAX_MEMBERS,
            Box::new(|n| {
                message(
                    "conversation:create",
                    &format!(r#"{{"client_id":"k","kind":"group","members":{}}}"#, list("\"m\"", n)),
                )
            }),
        ),
        (
            command::MAX_TEXT,
            Box::new(|n| {
                message(
                    "message:send",
                    &format!(r#"{{"client_id":"k","conversation_id":"c","text":"{}"}}"#, fill(n)),
                )
            }),
        ),
        (
            command::MAX_FIXES,
            Box::new(|n| message("location:update", &format!(r#"{{"fixes":{}}}"#, list(fix, n)))),
        ),
        (
            128,
            Box::new(|n| {
                message(
                    "location:history",
                    &format!(r#"{{"agent_id":"a","from":1,"to":1,"after":"{}"}}"#, fill(n)),
                )
            }),
        ),
        (
            256,
            Box::new(|n| {
                message("location:window", &format!(r#"{{"from":1,"to":1,"after":"{}"}}"#, fill(n)))
            }),
        ),
        (
            command::MAX_BROADCAST,
            Box::new(|n| {
                message("system:broadcast", &format!(r#"{{"client_id":"k","message":"{}"}}"#, fill(n)))
            }),
        ),
        (
            presence::MAX_STATUS_TEXT,
            Box::new(|n| message("presence:set", &format!(r#"{{"text":"{}"}}"#, fill(n)))),
        ),
        (
            presence::MAX_WATCHED,
            Box::new(|n| message("subscribe", &format!(r#"{{"channels":[],"users":{}}}"#, list("\"u\"", n)))),
        ),
        (
            presence::MAX_PRESENCE_PAGE,
            Box::new(|n| message("presence:get", &format!(r#"{{"users":{}}}"#, list("\"u\"", n)))),
        ),
    ];
    for (limit, text) in cases {
        let longest = text(limit);
        Request::parse(longest.as_bytes()).unwrap_or_else(|refusal| panic!("{limit}: {refusal:?}"));
        let refusal = refusal(text(limit + 1).as_bytes(), &longest[..40]);
        assert_eq!(refusal.id, Some(RequestId::Number(7)));
    }
}

/// Nesting costs no stack, wherever it stands.
#[test]
fn deep_nesting() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let middle = if open == "[" { "" } else { "1" };
        let deep = format!("{}{middle}{}", open.repeat(100_000), close.repeat(100_000));
        let unfinished = open.repeat(100_000);
        for value in [&deep, &unfinished] {
            let mut texts = vec![value.clone(), message("client:ping", value)];
            texts.push(message("client:ping", &format!("{{\"unknown\":{value}}}")));
            texts.push(message("message:send", &format!("{{\"text\":{value}}}")));
            texts.push(format!("{{\"event\":\"client:ping\",\"id\":{value}}}"));
            texts.push(format!("{{\"event\":{value}}}"));
            for text in texts {
                if let Err(refusal) = Request::parse(text.as_bytes()) {
                    assert_eq!(refusal.error.code, ErrorCode::InvalidMessage);
                }
                let _ = fanfare_proto::ServerEvent::parse(text.as_bytes());
            }
        }
    }
}

/// A refusal never becomes a way to make the server send much.
#[test]
fn refusals_are_short() {
    let long = "é".repeat(100_000);
    for text in [
        format!("{{\"event\":\"{long}\",\"data\":[]}}"),
        format!("{{\"event\":\"{long}\"}}"),
        format!("{{\"event\":\"client:ping\",\"id\":\"{long}\"}}"),
        format!("{{\"{long}\":1}}"),
        message("subscribe", &format!("{{\"channels\":[\"{long}\"]}}")),
        message("message:read", &format!("{{\"conversation_id\":\"{long}\",\"seq\":1}}")),
        message("message:read", &format!("{{\"conversation_id\":\"c\",\"seq\":\"{long}\"}}")),
        message(
            "message:send",
            &format!("{{\"client_id\":\"k\",\"conversation_id\":\"c\",\"text\":{}}}", {
                let mut list = String::from("[");
                for n in 0..1000 {
                    let _ = write!(list, "{n},");
                }
                list + "0]"
            }),
        ),
    ] {
        let refusal = Request::parse(text.as_bytes()).unwrap_err();
        assert!(refusal.error.message.len() < 1000, "{} bytes", refusal.error.message.len());
    }
}
