//! Frames: any split of the bytes yields the same events, and a promise of bytes costs nothing.

use bytes::{Bytes, BytesMut};
use fanfare_proto::{
    deflate::{self, InflateError},
    frame::{self, Content, TooLarge},
};
use proptest::{collection::vec, prelude::*};
use serde::Deserialize;

use crate::file;

fn encode(content: &Content, out: &mut BytesMut) {
    match content {
        Content::Text(text) => frame::encode(text, out),
        Content::Compressed(bytes) => frame::encode_compressed(bytes, out),
    }
}

fn content() -> impl Strategy<Value = Content> {
    let bytes = vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    (any::<bool>(), bytes)
        .prop_map(|(text, bytes)| if text { Content::Text(bytes) } else { Content::Compressed(bytes) })
}

fn drain(buffer: &mut BytesMut, limit: usize) -> Result<Vec<Content>, TooLarge> {
    let mut events = Vec::new();
    while let Some(event) = frame::decode(buffer, limit)? {
        events.push(event);
    }
    Ok(events)
}

proptest! {
    #[test]
    fn any_split(events in vec(content(), 0..8), cuts in vec(any::<prop::sample::Index>(), 0..20)) {
        let mut wire = BytesMut::new();
        for event in &events {
            encode(event, &mut wire);
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
            let mut taken = BytesMut::new();
            for event in &events {
                let before = taken.len();
                encode(event, &mut taken);
                prop_assert!(taken.len() - before <= frame::HEADER + limit);
            }
            taken.extend_from_slice(&buffer);
            prop_assert_eq!(&taken[..], &bytes[..]);
        }
    }

    /// Judged by the header alone, before any content has come and without reserving room for it.
    #[test]
    fn announced_length(length in any::<u32>(), limit in 0..=frame::MAX_EVENT) {
        let mut buffer = BytesMut::with_capacity(frame::HEADER);
        buffer.extend_from_slice(&length.to_be_bytes());
        let capacity = buffer.capacity();
        let length = (length & !frame::COMPRESSED) as usize;
        let decoded = frame::decode(&mut buffer, limit);
        if length > limit {
            prop_assert_eq!(decoded, Err(TooLarge { length, limit }));
        } else if length > 0 {
            prop_assert_eq!(decoded, Ok(None));
        }
        prop_assert!(buffer.capacity() <= capacity);
    }

    #[test]
    fn what_was_deflated_inflates_to_the_same(text in "[ -~é→]{0,200}", times in 1..40_usize) {
        let text = text.repeat(times);
        if let Some(bytes) = deflate::deflate(text.as_bytes(), b"p") {
            prop_assert!(bytes.len() <= text.len());
            prop_assert_eq!(bytes[0], b'p');
            prop_assert_eq!(deflate::inflate(&bytes[1..], text.len()).unwrap(), text.as_bytes());
            let limit = text.len() - 1;
            prop_assert_eq!(deflate::inflate(&bytes[1..], limit), Err(InflateError::TooLarge { limit }));
            let cut = deflate::inflate(&bytes[1..bytes.len() - 1], text.len());
            prop_assert_eq!(cut, Err(InflateError::Corrupt));
            let trailed = [&bytes[1..], b"x"].concat();
            prop_assert_eq!(deflate::inflate(&trailed, text.len()), Err(InflateError::Corrupt));
        }
    }

    #[test]
    fn any_bytes_inflate_within_the_limit(bytes in vec(any::<u8>(), 0..200), limit in 0..2000_usize) {
        if let Ok(text) = deflate::inflate(&bytes, limit) {
            prop_assert!(text.len() <= limit);
        }
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
        let texts: Vec<_> = vector.events.into_iter().map(|event| Content::Text(event.into())).collect();
        assert_eq!(events, texts, "{}", vector.name);
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

/// `vectors/compressed.json`.
#[derive(Deserialize)]
struct CompressedVectors {
    compressed: Vec<Compressed>,
    bad: Vec<Bad>,
}

/// An event in a stream's frame and as a binary message of a WebSocket. Other bytes may mean the same.
#[derive(Deserialize)]
struct Compressed {
    name: String,
    frame: String,
    message: String,
    event: String,
}

/// Bytes behind the frame's header or the message's mark.
#[derive(Deserialize)]
struct Bad {
    name: String,
    hex: String,
    limit: Option<usize>,
}

#[test]
fn compressed() {
    let vectors: CompressedVectors = file::read("compressed.json");
    for vector in vectors.compressed {
        let mut wire = BytesMut::from(file::bytes(&vector.frame).as_slice());
        let events = drain(&mut wire, frame::MAX_EVENT).unwrap();
        let [Content::Compressed(bytes)] = &events[..] else { panic!("{}: {events:?}", vector.name) };
        let inflated = deflate::inflate(bytes, frame::MAX_EVENT).unwrap();
        assert_eq!(inflated, vector.event.as_bytes(), "{}", vector.name);
        assert_eq!(inflated, deflate::inflate(bytes, inflated.len()).unwrap(), "{}: just so", vector.name);
        let message = file::bytes(&vector.message);
        assert_eq!(message.split_first(), Some((&deflate::MARK, &bytes[..])), "{}", vector.name);
    }
    for vector in vectors.bad {
        let error = match vector.limit {
            Some(limit) => InflateError::TooLarge { limit },
            None => InflateError::Corrupt,
        };
        let inflated = deflate::inflate(&file::bytes(&vector.hex), vector.limit.unwrap_or(frame::MAX_EVENT));
        assert_eq!(inflated, Err(error), "{}", vector.name);
    }
}
