//! Events on a byte stream: each is a `u32` length, big-endian, then the text.

use bytes::{Buf, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Ended;

/// Cuts a stream into frames. Holds at most one incomplete frame, and never more than was received of it.
#[derive(Debug)]
pub(super) struct FrameReader {
    limit: usize,
    /// Received and not yet looked at.
    chunk: Bytes,
    /// The beginning of a frame whose end has not come.
    partial: BytesMut,
}

const PREFIX: usize = 4;

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
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Ended> {
        // Most frames lie in one chunk, and are handed out without a copy.
        if self.partial.is_empty() && self.chunk.len() >= PREFIX {
            let total = PREFIX + self.declared(&self.chunk)?;
            if self.chunk.len() >= total {
                let mut frame = self.chunk.split_to(total);
                frame.advance(PREFIX);
                return Ok(Some(frame));
            }
        }
        if !self.fill(PREFIX) {
            return Ok(None);
        }
        let total = PREFIX + self.declared(&self.partial)?;
        if !self.fill(total) {
            return Ok(None);
        }
        let mut frame = self.partial.split().freeze();
        frame.advance(PREFIX);
        Ok(Some(frame))
    }

    /// Whether the stream may end here.
    pub(super) fn between_frames(&self) -> bool {
        self.partial.is_empty() && self.chunk.is_empty()
    }

    /// Moves bytes until `partial` has `target` of them; false where they have not come.
    fn fill(&mut self, target: usize) -> bool {
        let missing = target.saturating_sub(self.partial.len());
        let part = self.chunk.split_to(missing.min(self.chunk.len()));
        self.partial.extend_from_slice(&part);
        self.partial.len() >= target
    }

    fn declared(&self, mut bytes: &[u8]) -> Result<usize, Ended> {
        let length = bytes.get_u32() as usize;
        if length > self.limit {
            return Err(Ended::TooLarge { limit: self.limit });
        }
        Ok(length)
    }
}

/// Above this, sharing a text's bytes is cheaper than copying them into a common buffer.
const COPY_UP_TO: usize = 2 * 1024;

/// Frames `events` into as few buffers as is sensible.
pub(super) fn encode(events: &[Utf8Bytes]) -> Result<Vec<Bytes>, Ended> {
    let copied = |event: &Utf8Bytes| if event.len() <= COPY_UP_TO { event.len() } else { 0 };
    let mut buffer = BytesMut::with_capacity(events.iter().map(|e| PREFIX + copied(e)).sum());
    let mut out = Vec::with_capacity(1);
    for event in events {
        let length = u32::try_from(event.len()).map_err(|_| Ended::TooLarge { limit: u32::MAX as usize })?;
        buffer.extend_from_slice(&length.to_be_bytes());
        if event.len() <= COPY_UP_TO {
            buffer.extend_from_slice(event.as_bytes());
        } else {
            out.push(buffer.split().freeze());
            out.push(event.clone().into());
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

    fn text(length: usize) -> Utf8Bytes {
        "x".repeat(length).into()
    }

    #[test]
    fn frames_survive_every_split() {
        let events = [text(0), text(1), text(3000), text(300), text(0)];
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
            assert!(got.iter().zip(&events).all(|(g, e)| g[..] == *e.as_bytes()));
        }
    }

    #[test]
    fn a_declared_length_over_the_limit_ends_the_stream_at_once() {
        let mut reader = FrameReader::new(10, Bytes::from_static(&[0, 0]));
        assert_eq!(reader.next(), Ok(None));
        reader.push(Bytes::from_static(&[0, 11]));
        assert_eq!(reader.next(), Err(Ended::TooLarge { limit: 10 }));
        assert!(reader.partial.capacity() < 1024);
    }

    #[test]
    fn small_events_share_one_buffer() {
        assert_eq!(encode(&[text(10), text(20), text(30)]).unwrap().len(), 1);
        assert_eq!(encode(&[text(10), text(9000), text(30)]).unwrap().len(), 3);
        assert!(encode(&[]).unwrap().is_empty());
    }
}
