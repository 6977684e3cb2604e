//! Frames: any split of the bytes yields the same events, and a promise of bytes costs nothing.

use bytes::{Bytes, BytesMut};
use fanfare_proto::frame::{self, TooLarge};
use proptest::{collection::vec, prelude::*};
use serde::Deserialize;

use crate::file;

fn drain(buffer: &mut BytesMut, limit: usize) -> Result<Vec<Bytes>, TooLarge> {
    let mut events = Vec::new();
    while let Some(event) = frame::decode(buffer, limit)? {
        events.push(event);
    }
    Ok(events)
}

proptest! {
    #[test]
    fn any_split(events in vec(vec(any::<u8>(), 0..300), 0..8), cuts in vec(any::<prop::sample::Index>(), 0..20)) {
        let mut wire = BytesMut::new();
        for event in &events {
            frame::encode(event, &mut wire);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();

        let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
        for piece in cuts.windows(2) {
            buffer.extend_from_slice(&wire[piece[0]..piece[1]]);
            read.extend(drain(&mut buffer, 300).unwrap());
        }
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(read, events);
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..64), limit in 0..80_usize) {
        let mut buffer = BytesMut::from(bytes.as_slice());
        if let Ok(events) = drain(&mut buffer, limit) {
            prop_assert!(events.iter().all(|event| event.len() <= limit));
            let taken: usize = events.iter().map(|event| frame::HEADER + event.len()).sum();
            prop_assert_eq!(&buffer[..], &bytes[taken..]);
        }
    }

    /// Judged by the header alone, before any content has come and without reserving room for it.
    #[test]
    fn announced_length(length in any::<u32>(), limit in 0..=frame::MAX_EVENT) {
        let mut buffer = BytesMut::with_capacity(frame::HEADER);
        buffer.extend_from_slice(&length.to_be_bytes());
        let capacity = buffer.capacity();
        let length = length as usize;
        let decoded = frame::decode(&mut buffer, limit);
        if length > limit {
            prop_assert_eq!(decoded, Err(TooLarge { length, limit }));
        } else if length > 0 {
            prop_assert_eq!(decoded, Ok(None));
        }
        prop_assert!(buffer.capacity() <= capacity);
    }
}

/// `vectors/frames.json`.
#[derive(Deserialize)]
struct Vectors {
    frames: Vec<Frames>,
    incomplete: Vec<Part>,
    too_large: Vec<Announced>,
}

#[derive(Deserialize)]
struct Frames {
    name: String,
    hex: String,
    events: Vec<String>,
}

#[derive(Deserialize)]
struct Part {
    name: String,
    hex: String,
}

#[derive(Deserialize)]
struct Announced {
    name: String,
    hex: String,
    limit: usize,
    length: usize,
}

#[test]
fn pinned() {
    let vectors: Vectors = file::read("frames.json");
    for vector in vectors.frames {
        let mut wire = BytesMut::new();
        for event in &vector.events {
            frame::encode(event.as_bytes(), &mut wire);
        }
        assert_eq!(file::hex(&wire), vector.hex, "{}", vector.name);
        let events = drain(&mut wire, frame::MAX_EVENT).unwrap();
        assert_eq!(events, vector.events, "{}", vector.name);
    }
    for vector in vectors.incomplete {
        let mut buffer = BytesMut::from(file::bytes(&vector.hex).as_slice());
        let before = buffer.clone();
        assert_eq!(frame::decode(&mut buffer, frame::MAX_EVENT), Ok(None), "{}", vector.name);
        assert_eq!(buffer, before, "{}", vector.name);
    }
    for vector in vectors.too_large {
        let mut buffer = BytesMut::from(file::bytes(&vector.hex).as_slice());
        let (length, limit) = (vector.length, vector.limit);
        let decoded = frame::decode(&mut buffer, limit);
        assert_eq!(decoded, Err(TooLarge { length, limit }), "{}", vector.name);
    }
}
