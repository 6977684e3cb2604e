//! `vectors/commands.json`: every command as it travels, byte for byte.

use fanfare_proto::{
    Command, Request, RequestId,
    command::{ConversationKind, Priority},
};

use crate::file::{self, Vector};

#[test]
fn pinned() {
    let vectors: Vec<Vector> = file::read("commands.json");
    for Vector { name, wire, .. } in &vectors {
        let request = Request::parse(wire.get().as_bytes()).unwrap_or_else(|refusal| {
            panic!("{name}: {}", refusal.error);
        });
        assert_eq!(request.to_json().unwrap(), wire.get(), "{name}");
    }
    for name in Command::NAMES {
        let start = format!("{{\"event\":\"{name}\"");
        assert!(vectors.iter().any(|v| v.wire.get().starts_with(&start)), "{name} has no vector");
    }
}

/// Round trips alone would not notice two words that change places.
#[test]
fn words_mean_what_they_say() {
    let read = |name: &str| {
        let vectors: Vec<Vector> = file::read("commands.json");
        let vector = vectors.iter().find(|v| v.name == name).unwrap();
        Request::parse(vector.wire.get().as_bytes()).unwrap()
    };
    for (name, expected) in [
        ("system:broadcast", Priority::Urgent),
        ("system:broadcast, low", Priority::Low),
        ("system:broadcast, medium", Priority::Medium),
        ("system:broadcast, high", Priority::High),
    ] {
        let Command::SystemBroadcast(broadcast) = read(name).command else { panic!("{name}") };
        assert_eq!(broadcast.priority, expected);
    }
    for (name, expected) in [
        ("conversation:create, private", ConversationKind::Private),
        ("conversation:create, group", ConversationKind::Group),
    ] {
        let Command::ConversationCreate(create) = read(name).command else { panic!("{name}") };
        assert_eq!(create.kind, expected);
    }
    assert_eq!(read("message:send").id, Some(RequestId::Number(7)));
    let escaped = read("message:send, text that JSON escapes");
    assert_eq!(escaped.id, Some(RequestId::Text("7".into())));
    let Command::MessageSend(send) = escaped.command else { panic!() };
    assert_eq!(send.text, "\"a\\b\"\n\t\0 é→😀 <b>/</b>");
    assert!(matches!(read("message:received").command, Command::MessageReceived(_)));
    assert!(matches!(read("message:read").command, Command::MessageRead(_)));
}
