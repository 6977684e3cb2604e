//! Any bytes as a stream of frames, arriving in pieces of any size. The first byte chooses the pieces. What calls itself
//! compressed is inflated.
#![no_main]

use bytes::BytesMut;
use fanfare_proto::{
    deflate,
    frame::{self, Content},
};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 512;

/// All events up to the end or the first frame that is too large, and whether there was one.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Content>, bool) {
    let (mut buffer, mut events) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match frame::decode(&mut buffer, LIMIT) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return (events, true),
            }
        }
        assert!(
            buffer.len() < frame::HEADER + LIMIT,
            "what is incomplete is smaller than a frame"
        );
    }
    (events, false)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&size, stream)) = bytes.split_first() else {
        return;
    };
    let whole = read(std::iter::once(stream).filter(|_| stream.len() < LIMIT));
    let pieces = read(stream.chunks(usize::from(size) + 1));
    if stream.len() < LIMIT {
        assert_eq!(whole, pieces);
    }
    let mut wire = BytesMut::new();
    for event in &pieces.0 {
        match event {
            Content::Text(text) => frame::encode(text, &mut wire),
            Content::Compressed(bytes) => {
                frame::encode_compressed(bytes, &mut wire);
                if let Ok(text) = deflate::inflate(bytes, LIMIT) {
                    assert!(text.len() <= LIMIT);
                }
            }
        }
    }
    assert!(stream.starts_with(&wire));
});
