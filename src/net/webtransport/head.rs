//! What a new stream is, told from its first bytes.

use super::varint;

/// A bidirectional stream of a session, in place of a first frame.
const SESSION_STREAM: u64 = 0x41;
const HEADERS: u64 = 0x01;
/// Frames that may not come before HEADERS on a request stream. Unknown ones may, and mean nothing.
const NOT_FIRST: [u64; 11] = [0x00, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0d, SESSION_STREAM];

/// Longest head of a stream: header fields, compressed, and reserved frames before them.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// The kinds of bidirectional stream, with the length of what tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bidi {
    /// Its first bytes have not all come.
    Unknown,
    /// A stream of the session `id`, whose own bytes begin at `length`.
    Session { id: u64, length: usize },
    /// A request, whose header fields are complete within the first `length` bytes.
    Request { length: usize },
    /// Its header fields are larger than allowed.
    TooLarge,
    /// It begins with what no stream may begin with.
    Invalid,
}

/// Looks at the first bytes of a bidirectional stream opened by the peer.
pub(super) fn bidi(bytes: &[u8]) -> Bidi {
    let mut at = 0;
    loop {
        let Some((kind, size)) = bytes.get(at..).and_then(varint::read) else {
            return Bidi::Unknown;
        };
        if kind == SESSION_STREAM && at == 0 {
            return match bytes.get(size..).and_then(varint::read) {
                Some((id, more)) => Bidi::Session { id, length: size + more },
                None => Bidi::Unknown,
            };
        }
        if NOT_FIRST.contains(&kind) {
            return Bidi::Invalid;
        }
        let Some((length, more)) = bytes.get(at + size..).and_then(varint::read) else {
            return Bidi::Unknown;
        };
        let end = usize::try_from(length).map_or(usize::MAX, |l| l.saturating_add(at + size + more));
        if end > MAX_HEAD {
            return Bidi::TooLarge;
        }
        if bytes.len() < end {
            return Bidi::Unknown;
        }
        if kind == HEADERS {
            return Bidi::Request { length: end };
        }
        at = end;
    }
}

/// The kinds of unidirectional stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uni {
    /// Its first bytes have not all come.
    Unknown,
    /// HTTP/3's control stream, whose content begins at `length`.
    Control { length: usize },
    /// The encoder's stream of QPACK, whose content begins at `length`.
    Encoder { length: usize },
    /// The decoder's stream of QPACK, whose content begins at `length`.
    Decoder { length: usize },
    /// A stream that only servers open.
    Push,
    /// A stream of a session.
    Session,
    /// Reserved, or of an extension not spoken here.
    Other,
}

/// Looks at the first bytes of a unidirectional stream opened by the peer.
pub(super) fn uni(bytes: &[u8]) -> Uni {
    match varint::read(bytes) {
        None => Uni::Unknown,
        Some((0x00, length)) => Uni::Control { length },
        Some((0x01, _)) => Uni::Push,
        Some((0x02, length)) => Uni::Encoder { length },
        Some((0x03, length)) => Uni::Decoder { length },
        Some((0x54, _)) => Uni::Session,
        Some(_) => Uni::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every true prefix is still unknown.
    fn check(bytes: &[u8], at: usize, expected: Bidi) {
        for cut in 0..at {
            assert_eq!(bidi(&bytes[..cut]), Bidi::Unknown, "cut at {cut}");
        }
        assert_eq!(bidi(bytes), expected);
    }

    #[test]
    fn streams_are_told_apart() {
        check(&[0x40, 0x41, 0, 9, 9], 3, Bidi::Session { id: 0, length: 3 });
        check(&[0x40, 0x41, 0x41, 0x00, 9], 4, Bidi::Session { id: 256, length: 4 });
        check(&[1, 3, 7, 7, 7, 0, 0], 5, Bidi::Request { length: 5 });
        // A reserved frame first.
        check(&[0x21, 2, 7, 7, 1, 1, 7], 7, Bidi::Request { length: 7 });
        check(&[0x00, 3], 1, Bidi::Invalid);
        for of_http2 in [2, 6, 8, 9] {
            check(&[of_http2, 3], 1, Bidi::Invalid);
        }
        check(&[0x21, 0, 0x40, 0x41], 4, Bidi::Invalid);
    }

    #[test]
    fn a_head_that_will_be_too_large_is_refused_before_it_comes() {
        assert_eq!(bidi(&[1, 0x80, 1, 0, 0]), Bidi::TooLarge);
        assert_eq!(bidi(&[0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Bidi::TooLarge);
    }

    #[test]
    fn unidirectional_streams_are_told_apart() {
        assert_eq!(uni(&[]), Uni::Unknown);
        assert_eq!(uni(&[0x40]), Uni::Unknown);
        assert_eq!(uni(&[0x40, 0x54]), Uni::Session);
        assert_eq!(uni(&[0]), Uni::Control { length: 1 });
        assert_eq!(uni(&[0x40, 0]), Uni::Control { length: 2 });
        assert_eq!(uni(&[1]), Uni::Push);
        assert_eq!(uni(&[2]), Uni::Encoder { length: 1 });
        assert_eq!(uni(&[3]), Uni::Decoder { length: 1 });
        assert_eq!(uni(&[0x21]), Uni::Other);
    }
}
