//! Capsules (RFC 9297) on the CONNECT stream, inside DATA frames: how a session is closed with a code and a reason.

use bytes::{BufMut, Bytes, BytesMut};

use super::{code, rules::Broken, varint};

const DATA: u64 = 0x00;
/// Frames that HTTP knows and that do not belong on the stream of a session, trailers among them.
const NOT_IN_A_SESSION: [u64; 10] = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0d];
const CLOSE_SESSION: u64 = 0x2843;

/// Longest reason of a close, in bytes.
const MAX_REASON: usize = 1024;
/// Longest pair of type and length.
const MAX_HEAD: usize = 16;

/// A session's end, as its peer gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u32,
    pub(super) reason: String,
}

/// The peer sent something that is neither a frame nor a capsule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    /// A frame that may not be there or is cut off, which ends the connection.
    Frame(Broken),
    /// A capsule, which is an error of the stream alone (RFC 9297, section 3.3).
    Capsule(&'static str),
}

/// A DATA frame with the capsule that closes the session.
pub(super) fn encode_close(code: u32, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
    let mut capsule = BytesMut::with_capacity(MAX_HEAD + 4 + reason.len());
    varint::write(CLOSE_SESSION, &mut capsule);
    varint::write(4 + reason.len() as u64, &mut capsule);
    capsule.put_u32(code);
    capsule.put_slice(reason.as_bytes());
    let mut frame = BytesMut::with_capacity(MAX_HEAD + capsule.len());
    varint::write(DATA, &mut frame);
    varint::write(capsule.len() as u64, &mut frame);
    frame.unsplit(capsule);
    frame.freeze()
}

/// Finds the close in what comes on a CONNECT stream. Everything else is skipped, and nothing of it kept.
#[derive(Debug, Default)]
pub(super) struct CapsuleReader {
    frames: Section,
    capsules: Section,
    close: Vec<u8>,
}

impl CapsuleReader {
    /// Takes the next bytes of the stream; `Some` when the peer has closed the session.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Option<Close>, Malformed> {
        while !bytes.is_empty() {
            let Some((kind, mut part)) = self.frames.take(&mut bytes) else {
                break;
            };
            if NOT_IN_A_SESSION.contains(&kind) {
                const WHAT: &str = "a frame that does not belong on a session";
                return Err(Malformed::Frame(Broken(code::FRAME_UNEXPECTED, WHAT)));
            }
            if kind != DATA {
                continue;
            }
            while !part.is_empty() {
                let Some((kind, content)) = self.capsules.take(&mut part) else {
                    break;
                };
                if kind != CLOSE_SESSION {
                    continue;
                }
                let length = self.close.len() + content.len();
                if length.saturating_add(self.capsules.left) > 4 + MAX_REASON {
                    return Err(Malformed::Capsule("a close capsule is too long"));
                }
                self.close.extend_from_slice(content);
                if self.capsules.left == 0 {
                    return decode_close(&self.close).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// The stream has ended, which it may not in the middle of something.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.frames.is_within() {
            return Err(Malformed::Frame(Broken(code::FRAME_ERROR, "a frame is cut off")));
        }
        if self.capsules.is_within() {
            return Err(Malformed::Capsule("a capsule is cut off"));
        }
        Ok(())
    }
}

fn decode_close(content: &[u8]) -> Result<Close, Malformed> {
    let (code, reason) =
        content.split_first_chunk().ok_or(Malformed::Capsule("a close capsule is too short"))?;
    let reason =
        std::str::from_utf8(reason).map_err(|_| Malformed::Capsule("a close reason is not UTF-8"))?;
    Ok(Close { code: u32::from_be_bytes(*code), reason: reason.to_owned() })
}

/// Cuts bytes into sections of (type, length, content), as frames and capsules both are.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Type and length, as far as they have come.
    head: Vec<u8>,
    kind: u64,
    /// Bytes of the content still to come.
    left: usize,
    inside: bool,
}

impl Section {
    /// Bytes of the content that are still to come.
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// Whether a section has begun that has not ended.
    const fn is_within(&self) -> bool {
        self.inside || !self.head.is_empty()
    }

    /// The next piece of content, with its section's type. An empty section yields one empty piece.
    pub(super) fn take<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
        while !self.inside {
            let (first, rest) = bytes.split_first()?;
            *bytes = rest;
            self.head.push(*first);
            let Some((kind, at)) = varint::read(&self.head) else {
                continue;
            };
            let Some((length, _)) = varint::read(&self.head[at..]) else {
                continue;
            };
            self.kind = kind;
            self.left = usize::try_from(length).unwrap_or(usize::MAX);
            self.inside = true;
            self.head.clear();
        }
        let (content, rest) = bytes.split_at(self.left.min(bytes.len()));
        *bytes = rest;
        self.left -= content.len();
        self.inside = self.left > 0;
        Some((self.kind, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(wire: &[u8], step: usize) -> Result<Option<Close>, Malformed> {
        let mut reader = CapsuleReader::default();
        for part in wire.chunks(step) {
            if let Some(close) = reader.push(part)? {
                return Ok(Some(close));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_close_survives_every_split_and_company() {
        // A reserved frame, an empty DATA frame, an unknown capsule across two DATA frames, then the close.
        let mut wire = vec![0x21, 3, 1, 2, 3, 0, 0, 0, 4, 0x17, 5, 9, 9, 0, 3, 9, 9, 9];
        wire.extend_from_slice(&encode_close(4001, "grüß dich"));
        let close = Close { code: 4001, reason: "grüß dich".into() };
        for step in 1..wire.len() {
            assert_eq!(feed(&wire, step), Ok(Some(close.clone())), "step {step}");
        }
    }

    #[test]
    fn the_wire_form_is_fixed() {
        assert_eq!(encode_close(4001, "no")[..], [0, 9, 0x68, 0x43, 6, 0, 0, 0x0f, 0xa1, b'n', b'o']);
    }

    #[test]
    fn long_reasons_are_cut_and_refused() {
        let wire = encode_close(1, &"ü".repeat(2000));
        assert_eq!(feed(&wire, 100).unwrap().unwrap().reason.len(), 1024);
        let huge = [0, 0x80, 1, 0, 0, 0x68, 0x43, 0x80, 1, 0, 0, 1, 2, 3];
        assert!(feed(&huge, 1).is_err());
        assert!(feed(&[0, 5, 0x68, 0x43, 2, 0, 0], 7).is_err());
        let unexpected = Broken(code::FRAME_UNEXPECTED, "a frame that does not belong on a session");
        for frame in [1, 2, 4, 6, 9, 13] {
            assert_eq!(feed(&[frame, 1, 0], 1), Err(Malformed::Frame(unexpected)), "{frame}");
        }
    }

    #[test]
    fn a_stream_ends_between_capsules_only() {
        let ends = |wire: &[u8]| {
            let mut reader = CapsuleReader::default();
            assert_eq!(reader.push(wire), Ok(None));
            reader.end()
        };
        assert_eq!(ends(&[]), Ok(()));
        // A reserved frame, and a capsule that nobody knows.
        let whole = [0x21, 1, 7, 0, 4, 0x17, 2, 9, 9];
        assert_eq!(ends(&whole), Ok(()));
        for cut in [1, 2, 4, 7] {
            assert!(matches!(ends(&whole[..cut]), Err(Malformed::Frame(_))), "{cut}");
        }
        for part in [&[0, 1, 0x17][..], &[0, 2, 0x17, 2], &[0, 3, 0x17, 2, 9]] {
            assert_eq!(ends(part), Err(Malformed::Capsule("a capsule is cut off")), "{part:?}");
        }
    }
}
