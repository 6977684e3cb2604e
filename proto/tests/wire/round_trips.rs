//! What is written can be read again, and is the same.

use fanfare_proto::{
    Command, Cursor, Fix, JsonFix, Request, ServerEvent, TopicName, UserId,
    event::{self, LogEntry},
    id::{MAX_ID, MAX_NUMBER, TopicKind},
    tick,
};
use proptest::{collection::vec, prelude::*};

use crate::any;

proptest! {
    #[test]
    fn id(text in any::id_text()) {
        let id: UserId = text.parse().unwrap();
        prop_assert_eq!(id.to_string(), text.as_str());
        let json = serde_json::to_string(&id).unwrap();
        prop_assert_eq!(&json, &format!("\"{text}\""));
        prop_assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), id);
    }

    /// Whatever is taken as an id has only the allowed characters, and is the text that was given.
    #[test]
    fn id_of_any_text(text in "\\PC{0,140}") {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-@+|=~:".contains(c);
        let expected = !text.is_empty() && text.len() <= MAX_ID && text.chars().all(allowed);
        prop_assert_eq!(UserId::new(&text).is_ok(), expected);
    }

    #[test]
    fn topic_name(topic in any::topic()) {
        prop_assert_eq!(topic.to_string().parse::<TopicName>().unwrap(), topic.clone());
        let json = serde_json::to_string(&topic).unwrap();
        prop_assert_eq!(serde_json::from_str::<TopicName>(&json).unwrap(), topic);
    }

    #[test]
    fn topic_name_of_any_text(text in "(conversation|notice|urgent_notice|\\PC{0,8}):?\\PC{0,20}") {
        if let Ok(topic) = text.parse::<TopicName>() {
            prop_assert_eq!(topic.to_string(), text);
        }
    }

    #[test]
    fn cursor(cursor in any::cursor()) {
        let json = serde_json::to_string(&cursor).unwrap();
        prop_assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
    }

    #[test]
    fn fix_as_json(fix in any::fix()) {
        let json = serde_json::to_string(&JsonFix::from(fix)).unwrap();
        let read: JsonFix = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(Fix::try_from(read).unwrap(), fix);
    }

    /// Whatever numbers a device sends: no panic, and what is taken is a fix that survives both encodings.
    #[test]
    fn fix_of_any_numbers(
        counter in any::<u64>(),
        time in any::<u64>(),
        numbers in any::<[f64; 2]>(),
        place in (-91.0..91.0_f64, -181.0..181.0_f64),
        wild in any::<bool>(),
        motion in any::<[Option<f64>; 4]>(),
    ) {
        let (lat, lon) = if wild { (numbers[0], numbers[1]) } else { place };
        let [accuracy, speed, heading, battery] = motion.map(|v| v.map(f64::abs));
        let json = JsonFix {
            counter,
            time: fanfare_proto::UnixMs(time),
            lat,
            lon,
            accuracy,
            speed,
            heading: heading.map(|h| h % 361.0),
            battery: battery.map(|b| b % 101.0),
        };
        if let Ok(fix) = Fix::try_from(json) {
            prop_assert!(counter > 0 && counter.max(time) <= MAX_NUMBER);
            prop_assert!((fix.position.lat() - lat).abs() <= 1e-7);
            prop_assert!((fix.position.lon() - lon).abs() <= 1e-7);
            prop_assert_eq!(Fix::try_from(JsonFix::from(fix)), Ok(fix));
            let packet = tick::pack_fixes(&[fix]).remove(0);
            prop_assert_eq!(tick::unpack_fixes(&packet), Ok(vec![Ok(fix)]));
        }
    }

    #[test]
    fn event_of_a_log(cursor in any::cursor(), by in any::id_text(), text in "\\PC{0,60}") {
        let entry = LogEntry {
            topic: cursor.topic,
            epoch: cursor.epoch,
            seq: cursor.seq,
            at: fanfare_proto::UnixMs(cursor.seq.0),
            by: by.parse().unwrap(),
            client_id: by.parse().unwrap(),
        };
        let data = serde_json::to_string(&serde_json::json!({ "text": text })).unwrap();
        let wire = event::write_log("message:new", &entry, &data);
        let read = ServerEvent::parse(wire.as_bytes()).unwrap();
        prop_assert_eq!(read.event, "message:new");
        prop_assert_eq!(read.entry, Some(entry.clone()));
        let read_data = read.data.unwrap();
        prop_assert_eq!(read_data.get(), &data);
        let listed: event::LogEvent = serde_json::from_str(&wire).unwrap();
        prop_assert_eq!(&listed.entry, &entry);
        prop_assert_eq!(serde_json::to_string(&listed).unwrap(), wire);
    }

    #[test]
    fn answer(id in any::request_id(), text in "\\PC{0,60}") {
        let data = fanfare_proto::ErrorCode::Conflict.with(text).retry_after(7);
        let wire = event::write(event::name::ERROR, Some(&id), &data);
        let read = ServerEvent::parse(wire.as_bytes()).unwrap();
        prop_assert_eq!(&read.re, &Some(id));
        prop_assert_eq!(read.data::<fanfare_proto::ErrorBody>().unwrap(), data);
    }

    /// Neither reader panics, whatever comes.
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Request::parse(&bytes);
        let _ = ServerEvent::parse(&bytes);
    }

    /// Nor for a valid request with a few bytes changed: the likelier way into the depths.
    #[test]
    fn damaged_request(request in any::request(), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = request.to_json().unwrap().into_bytes();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = Request::parse(&bytes);
        let _ = ServerEvent::parse(&bytes);
    }
}

/// Each command has its own generator, so that none is missed by chance.
#[test]
fn every_command() {
    for name in Command::NAMES {
        proptest!(ProptestConfig::with_cases(128), |(
            id in prop::option::of(any::request_id()),
            command in any::command(name),
        )| {
            prop_assert_eq!(command.name(), *name);
            let request = Request { id, command };
            let json = request.to_json().unwrap();
            prop_assert_eq!(Request::parse(json.as_bytes()), Ok(request));
        });
    }
}

#[test]
fn topic_kinds_are_named_alike_everywhere() {
    for kind in TopicKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

#[test]
fn secrets_and_content_stay_out_of_debug_output() {
    for wire in [
        r#"{"event":"authenticate","data":{"token":"SECRET"}}"#,
        r#"{"event":"message:send","data":{"client_id":"c","conversation_id":"d","text":"SECRET"}}"#,
    ] {
        let request = Request::parse(wire.as_bytes()).unwrap();
        assert!(!format!("{request:?}").contains("SECRET"));
    }
}
