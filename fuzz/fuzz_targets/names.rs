//! Any text as an id, a topic name and a cursor.
#![no_main]

use fanfare_proto::{Cursor, Seq, TopicName, UserId, id::MAX_NUMBER};
use libfuzzer_sys::fuzz_target;
use serde::{
    Deserialize,
    de::value::{Error, StrDeserializer},
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(id) = UserId::new(text) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(topic) = text.parse::<TopicName>() {
        assert_eq!(topic.to_string(), text);
        let read = TopicName::deserialize(StrDeserializer::<Error>::new(text));
        assert_eq!(read, Ok(topic));
    }
    if let Ok(cursor) = serde_json::from_str::<Cursor>(text) {
        assert!(cursor.seq <= Seq(MAX_NUMBER));
        let json = serde_json::to_string(&cursor).expect("a cursor can be written");
        assert_eq!(serde_json::from_str::<Cursor>(&json).expect("and read"), cursor);
    }
});
