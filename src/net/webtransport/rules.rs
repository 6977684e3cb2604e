//! What a client may send on HTTP/3's own streams, as far as `h3` does not look: RFC 9114, 9204 and 9297 ask to end the
//! connection for anything else.

use std::collections::BTreeSet;

use bytes::Bytes;
use quinn::{RecvStream, VarInt};

use super::{capsule::Section, code, varint};

/// A rule was broken: the connection ends with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken(pub(super) VarInt, pub(super) &'static str);

/// Frames of HTTP/2 that HTTP/3 has not taken over.
pub(super) const OF_HTTP2: [u64; 4] = [0x02, 0x06, 0x08, 0x09];
const CANCEL_PUSH: u64 = 0x03;
const SETTINGS: u64 = 0x04;
const GOAWAY: u64 = 0x07;
const MAX_PUSH_ID: u64 = 0x0d;
/// Settings that are a switch: extended CONNECT (RFC 9220) and datagrams (RFC 9297).
const SWITCHES: [u64; 2] = [0x08, 0x33];
/// Settings of HTTP/2 that HTTP/3 has not taken over.
const SETTINGS_OF_HTTP2: std::ops::RangeInclusive<u64> = 0x02..=0x05;
/// What the peer may send on one of HTTP/3's own streams in a connection's life. `h3` buffers whole frames.
pub(super) const HTTP_BUDGET: usize = 64 * 1024;
/// Longest frame whose content is looked at.
const MAX_CONTENT: usize = 4 * 1024;

/// Follows the control stream, from behind its type on.
#[derive(Debug, Default)]
pub(super) struct Control {
    frames: Section,
    content: Vec<u8>,
    pushes: Option<u64>,
    goaway: Option<u64>,
}

impl Control {
    /// Takes the next bytes.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let Some((kind, part)) = self.frames.take(&mut bytes) else { return Ok(()) };
            if OF_HTTP2.contains(&kind) {
                return Err(Broken(code::FRAME_UNEXPECTED, "a frame of HTTP/2"));
            }
            if !matches!(kind, CANCEL_PUSH | SETTINGS | GOAWAY | MAX_PUSH_ID) {
                continue;
            }
            if self.content.len() + part.len() + self.frames.left() > MAX_CONTENT {
                return Err(Broken(code::EXCESSIVE_LOAD, "a control frame is too large"));
            }
            self.content.extend_from_slice(part);
            if self.frames.left() == 0 {
                let content = std::mem::take(&mut self.content);
                self.frame(kind, &content)?;
            }
        }
        Ok(())
    }

    fn frame(&mut self, kind: u64, content: &[u8]) -> Result<(), Broken> {
        if kind == SETTINGS {
            return settings(content);
        }
        let Some((id, _)) = varint::read(content).filter(|(_, size)| *size == content.len()) else {
            return Err(Broken(code::FRAME_ERROR, "a control frame is malformed"));
        };
        let fits = match kind {
            MAX_PUSH_ID => self.pushes.replace(id).is_none_or(|before| before <= id),
            GOAWAY => self.goaway.replace(id).is_none_or(|before| before >= id),
            // Nothing was ever promised that could be cancelled.
            _ => false,
        };
        if fits { Ok(()) } else { Err(Broken(code::ID_ERROR, "an id that cannot be")) }
    }
}

fn settings(mut content: &[u8]) -> Result<(), Broken> {
    let mut seen = BTreeSet::new();
    while !content.is_empty() {
        let pair = varint::read(content).and_then(|(id, size)| {
            varint::read(&content[size..]).map(|(value, more)| (id, value, size + more))
        });
        let Some((id, value, size)) = pair else {
            return Err(Broken(code::FRAME_ERROR, "SETTINGS are malformed"));
        };
        content = &content[size..];
        if SETTINGS_OF_HTTP2.contains(&id) || SWITCHES.contains(&id) && value > 1 || !seen.insert(id) {
            return Err(Broken(code::SETTINGS_ERROR, "a setting that cannot be"));
        }
    }
    Ok(())
}

/// QPACK's streams. This server has no dynamic table and uses none, so they have hardly anything to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qpack {
    /// Instructions of the client's encoder.
    Encoder,
    /// Those of its decoder.
    Decoder {
        /// Bytes of a number that is not at its end.
        number: usize,
    },
}

/// Longest number, in bytes behind the first.
const MAX_NUMBER: usize = 9;

impl Qpack {
    /// Takes the next bytes, from behind the stream's type on.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        match self {
            // The capacity may be set to 0, which it is.
            Self::Encoder if bytes.iter().any(|byte| *byte != 0x20) => {
                Err(Broken(code::QPACK_ENCODER_STREAM_ERROR, "there is no dynamic table"))
            }
            Self::Encoder => Ok(()),
            Self::Decoder { number } => bytes.iter().try_for_each(|byte| decoder(*byte, number)),
        }
    }
}

/// A stream may be cancelled. Nothing was inserted that could be acknowledged.
fn decoder(byte: u8, number: &mut usize) -> Result<(), Broken> {
    let broken = Err(Broken(code::QPACK_DECODER_STREAM_ERROR, "nothing was inserted"));
    if *number > 0 {
        *number = if byte & 0x80 == 0 { 0 } else { *number + 1 };
        return if *number > MAX_NUMBER { broken } else { Ok(()) };
    }
    match byte {
        0x40..=0x7e => Ok(()),
        0x7f => {
            *number = 1;
            Ok(())
        }
        _ => broken,
    }
}

/// Reads one of QPACK's streams for as long as the connection lives. `start` is what has come behind its type. Nobody is
/// charged for it, so only so much is read.
pub(super) async fn watch(mut qpack: Qpack, start: Bytes, mut recv: RecvStream) -> Option<Broken> {
    const CHUNK: usize = 4 * 1024;
    let mut next = start;
    let mut left = HTTP_BUDGET;
    loop {
        let Some(rest) = left.checked_sub(next.len()) else {
            return Some(Broken(code::EXCESSIVE_LOAD, "too much on a stream of QPACK"));
        };
        left = rest;
        if let Err(broken) = qpack.follow(&next) {
            return Some(broken);
        }
        next = match recv.read_chunk(CHUNK, true).await {
            Ok(Some(chunk)) => chunk.bytes,
            Ok(None) | Err(quinn::ReadError::Reset(_)) => {
                return Some(Broken(code::CLOSED_CRITICAL_STREAM, "a stream of QPACK is closed"));
            }
            Err(_) => return None,
        };
    }
}

/// The session's part of a datagram: nothing where it is of another stream.
pub(super) fn datagram(bytes: &Bytes) -> Result<Option<Bytes>, Broken> {
    const MOST: u64 = (1 << 60) - 1;
    match varint::read(bytes) {
        Some((0, size)) => Ok(Some(bytes.slice(size..))),
        Some((1..=MOST, _)) => Ok(None),
        _ => Err(Broken(code::DATAGRAM_ERROR, "a datagram of no stream")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(wire: &[u8]) -> Result<(), VarInt> {
        let mut whole = Control::default();
        let at_once = whole.follow(wire).map_err(|broken| broken.0);
        let mut by_one = Control::default();
        let in_pieces = wire.chunks(1).try_for_each(|byte| by_one.follow(byte)).map_err(|broken| broken.0);
        assert_eq!(at_once, in_pieces, "{wire:?}");
        at_once
    }

    #[test]
    fn what_the_control_stream_may_hold() {
        let good: [&[u8]; 6] = [
            &[4, 0],
            &[4, 4, 0x08, 1, 0x33, 1],
            &[4, 0, 0x0d, 1, 5, 0x0d, 1, 5, 0x0d, 1, 7],
            &[4, 0, 7, 1, 8, 7, 1, 4],
            // Reserved types, and a setting of no meaning.
            &[4, 2, 0x21, 9, 0x21, 3, 1, 2, 3],
            &[4, 0, 0x40, 0x40, 0],
        ];
        for wire in good {
            assert_eq!(control(wire), Ok(()), "{wire:?}");
        }
        let bad: [(&[u8], VarInt); 13] = [
            (&[4, 2, 0x33, 2], code::SETTINGS_ERROR),
            (&[4, 2, 0x08, 7], code::SETTINGS_ERROR),
            (&[4, 2, 0x02, 0], code::SETTINGS_ERROR),
            (&[4, 4, 0x21, 0, 0x21, 0], code::SETTINGS_ERROR),
            (&[4, 1, 0x33], code::FRAME_ERROR),
            (&[4, 0, 0x0d, 1, 5, 0x0d, 1, 4], code::ID_ERROR),
            (&[4, 0, 0x0d, 2, 5, 5], code::FRAME_ERROR),
            (&[4, 0, 0x0d, 0], code::FRAME_ERROR),
            (&[4, 0, 7, 1, 4, 7, 1, 8], code::ID_ERROR),
            (&[4, 0, 3, 1, 0], code::ID_ERROR),
            (&[4, 0, 0x02, 1, 0], code::FRAME_UNEXPECTED),
            (&[4, 0, 0x09, 0], code::FRAME_UNEXPECTED),
            (&[4, 0x80, 1, 0, 0], code::EXCESSIVE_LOAD),
        ];
        for (wire, code) in bad {
            assert_eq!(control(wire), Err(code), "{wire:?}");
        }
    }

    #[test]
    fn qpack_has_hardly_anything_to_say() {
        let told = |mut qpack: Qpack, wire: &[u8]| {
            wire.chunks(1).try_for_each(|byte| qpack.follow(byte)).map_err(|broken| broken.0)
        };
        let encoder = |wire: &[u8]| told(Qpack::Encoder, wire);
        assert_eq!(encoder(&[]), Ok(()));
        assert_eq!(encoder(&[0x20, 0x20]), Ok(()));
        for wire in [&[0x21][..], &[0x3f, 1], &[0xc0, 0], &[0x40], &[0x00]] {
            assert_eq!(encoder(wire), Err(code::QPACK_ENCODER_STREAM_ERROR), "{wire:?}");
        }
        let decoder = |wire: &[u8]| told(Qpack::Decoder { number: 0 }, wire);
        assert_eq!(decoder(&[0x40, 0x7e, 0x7f, 0x81, 0x01, 0x44]), Ok(()));
        for wire in [&[0x80][..], &[0x00], &[0x01], &[0x7f, 0x80, 0x00, 0xff]] {
            assert_eq!(decoder(wire), Err(code::QPACK_DECODER_STREAM_ERROR), "{wire:?}");
        }
        assert_eq!(decoder(&[&[0x7f][..], &[0x80; 20]].concat()), Err(code::QPACK_DECODER_STREAM_ERROR));
    }

    #[test]
    fn a_datagram_names_its_stream() {
        let read = |bytes: &'static [u8]| datagram(&Bytes::from_static(bytes)).map_err(|broken| broken.0);
        assert_eq!(read(&[0, 7]), Ok(Some(Bytes::from_static(&[7]))));
        assert_eq!(read(&[0x40, 0, 7]), Ok(Some(Bytes::from_static(&[7]))), "however it is written");
        assert_eq!(read(&[1, 7]), Ok(None));
        assert_eq!(read(&[]), Err(code::DATAGRAM_ERROR));
        assert_eq!(read(&[0x40]), Err(code::DATAGRAM_ERROR));
        assert_eq!(read(&[0xff; 8]), Err(code::DATAGRAM_ERROR));
    }
}
