//! Events on a byte stream: each is a `u32` length, big-endian, then the text, or the compressed text where the length's
//! highest bit is set.

use bytes::{Buf, Bytes, BytesMut};
use fanfare_proto::frame::{self, Content};

use super::{Ended, Event};

/// Cuts a stream into frames. Holds at most one incomplete frame, and never more than was received of it.
#[derive(Debug)]
pub(super) struct FrameReader {
    limit: usize,
    /// Received and not yet looked at.
    chunk: Bytes,
    /// The beginning of a frame whose end has not come.
    partial: BytesMut,
}

const PREFIX: usize = frame::HEADER;

impl FrameReader {
    /// Frames of up to `limit` bytes; `chunk` is what was already received.
    pub(super) fn new(limit: usize, chunk: Bytes) -> Self {
        Self { limit, chunk, partial: BytesMut::new() }
    }

    /// Frames may have up to `limit` bytes from now on.
    pub(super) fn allow(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes the next bytes of the stream. Only after [`next`](Self::next) has returned `None`.
    pub(super) fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty());
        self.chunk = chunk;
    }

    /// The next complete frame. The declared length is checked before anything is kept for it.
    pub(super) fn next(&mut self) -> Result<Option<Content>, Ended> {
        // Most frames lie in one chunk, and are handed out without a copy.
        if self.partial.is_empty() && self.chunk.len() >= PREFIX {
            let (length, compressed) = self.declared(&self.chunk)?;
            if self.chunk.len() >= PREFIX + length {
                return Ok(Some(content(self.chunk.split_to(PREFIX + length), compressed)));
            }
        }
        if !self.fill(PREFIX) {
            return Ok(None);
        }
        let (length, compressed) = self.declared(&self.partial)?;
        if !self.fill(PREFIX + length) {
            return Ok(None);
        }
        Ok(Some(content(self.partial.split().freeze(), compressed)))
    }

    /// Whether the stream may end here.
    pub(super) fn between_frames(&self) -> bool {
        self.unfinished() == 0
    }

    /// Bytes that have come of a frame whose end has not.
    pub(super) fn unfinished(&self) -> usize {
        self.partial.len() + self.chunk.len()
    }

    /// Moves bytes until `partial` has `target` of them; false where they have not come.
    fn fill(&mut self, target: usize) -> bool {
        let missing = target.saturating_sub(self.partial.len());
        let part = self.chunk.split_to(missing.min(self.chunk.len()));
        self.partial.extend_from_slice(&part);
        self.partial.len() >= target
    }

    /// The length, and whether it is that of something compressed.
    fn declared(&self, mut bytes: &[u8]) -> Result<(usize, bool), Ended> {
        let (length, compressed) = frame::header(bytes.get_u32().to_be_bytes());
        if length > self.limit {
            return Err(Ended::TooLarge { limit: self.limit });
        }
        Ok((length, compressed))
    }
}

fn content(mut frame: Bytes, compressed: bool) -> Content {
    frame.advance(PREFIX);
    if compressed { Content::Compressed(frame) } else { Content::Text(frame) }
}

/// Above this, sharing a text's bytes is cheaper than copying them into a common buffer.
const COPY_UP_TO: usize = 2 * 1024;

/// Frames `events` into as few buffers as is sensible.
pub(super) fn encode(events: &[Event]) -> Result<Vec<Bytes>, Ended> {
    let copied = |event: &Event| if event.size() <= COPY_UP_TO { event.size() } else { 0 };
    let mut buffer = BytesMut::with_capacity(events.iter().map(|e| PREFIX + copied(e)).sum());
    let mut out = Vec::with_capacity(1);
    for event in events {
        let length = u32::try_from(event.size()).ok().filter(|length| length & frame::COMPRESSED == 0);
        let length = length.ok_or(Ended::TooLarge { limit: frame::COMPRESSED as usize - 1 })?;
        let (header, content) = match event {
            Event::Text(text) => (length, text.clone().into()),
            Event::Compressed(deflated) => (length | frame::COMPRESSED, deflated.content()),
        };
        buffer.extend_from_slice(&header.to_be_bytes());
        if content.len() <= COPY_UP_TO {
            buffer.extend_from_slice(&content);
        } else {
            out.push(buffer.split().freeze());
            out.push(content);
        }
    }
    if !buffer.is_empty() {
        out.push(buffer.freeze());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Deflated;

    fn text(length: usize) -> Event {
        Event::Text("x".repeat(length).into())
    }

    fn compressed(length: usize) -> Event {
        let mut state = 7_u64;
        let noise = (0..length).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 60) as u8
        });
        Event::Compressed(Deflated::of(&noise.collect::<Vec<u8>>()).unwrap())
    }

    fn is(got: &Content, sent: &Event) -> bool {
        match (got, sent) {
            (Content::Text(got), Event::Text(sent)) => got[..] == *sent.as_bytes(),
            (Content::Compressed(got), Event::Compressed(sent)) => *got == sent.content(),
            _ => false,
        }
    }

    #[test]
    fn frames_survive_every_split() {
        let events = [text(0), text(1), compressed(3000), text(3000), compressed(300), text(300), text(0)];
        let wire: Vec<u8> = encode(&events).unwrap().concat();
        for step in [1, 2, 3, 5, 7, 64, 303, 304, 305, wire.len()] {
            let mut reader = FrameReader::new(4096, Bytes::new());
            let mut got = Vec::new();
            for part in wire.chunks(step) {
                reader.push(Bytes::copy_from_slice(part));
                while let Some(frame) = reader.next().unwrap() {
                    got.push(frame);
                }
            }
            assert!(reader.between_frames());
            assert_eq!(got.len(), events.len(), "step {step}");
            assert!(got.iter().zip(&events).all(|(got, sent)| is(got, sent)));
        }
    }

    #[test]
    fn a_declared_length_over_the_limit_ends_the_stream_at_once() {
        let mut reader = FrameReader::new(10, Bytes::from_static(&[0, 0]));
        assert_eq!(reader.next(), Ok(None));
        reader.push(Bytes::from_static(&[0, 11]));
        assert_eq!(reader.next(), Err(Ended::TooLarge { limit: 10 }));
        assert!(reader.partial.capacity() < 1024);
        let mut reader = FrameReader::new(10, Bytes::from_static(&[0x80, 0, 0, 11]));
        assert_eq!(reader.next(), Err(Ended::TooLarge { limit: 10 }), "compressed or not");
    }

    #[test]
    fn small_events_share_one_buffer() {
        assert_eq!(encode(&[text(10), text(20), text(30)]).unwrap().len(), 1);
        assert_eq!(encode(&[text(10), text(9000), text(30)]).unwrap().len(), 3);
        assert!(encode(&[]).unwrap().is_empty());
    }
}
