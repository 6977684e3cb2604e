//! Any bytes as an event of the server, and its data as every type there is.
#![no_main]

use fanfare_proto::{
    ErrorBody, ServerEvent,
    event::{
        self, Authenticated, Conversation, Conversations, History, LatestFixes, LocationAgents,
        LocationRemoved, LocationSnapshot, LocationStored, MessageNew, Notice, Pong, Receipt, ServerPing,
        Stored, Subscribed, Topics, Track,
    },
};
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};

/// What can be read as a `T` can be written and read again.
fn data<T: Serialize + DeserializeOwned>(event: &ServerEvent) {
    if let Ok(data) = event.data::<T>() {
        let json = event::write(&event.event, event.re.as_ref(), &data);
        let again = ServerEvent::parse(json.as_bytes()).expect("what was written can be read");
        assert!(again.data::<T>().is_ok());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = ServerEvent::parse(bytes) else {
        return;
    };
    if let Some(entry) = &event.entry {
        let payload = event.data.as_deref().map_or("null", |data| data.get());
        let json = event::write_log(&event.event, entry, payload);
        let again = ServerEvent::parse(json.as_bytes()).expect("what was written can be read");
        assert_eq!(again.entry.as_ref(), Some(entry));
    }
    data::<Authenticated>(&event);
    data::<Conversation>(&event);
    data::<Conversations>(&event);
    data::<ErrorBody>(&event);
    data::<History>(&event);
    data::<LatestFixes>(&event);
    data::<LocationAgents>(&event);
    data::<LocationRemoved>(&event);
    data::<LocationSnapshot>(&event);
    data::<LocationStored>(&event);
    data::<MessageNew>(&event);
    data::<Notice>(&event);
    data::<Pong>(&event);
    data::<Receipt>(&event);
    data::<ServerPing>(&event);
    data::<Stored>(&event);
    data::<Subscribed>(&event);
    data::<Topics>(&event);
    data::<Track>(&event);
});
