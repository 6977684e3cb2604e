//! What `h3` leaves out of its SETTINGS.

use bytes::{Buf, Bytes, BytesMut};

use super::varint;

/// `WEBTRANSPORT_MAX_SESSIONS` of draft 7, without which Safari opens no session.
const MAX_SESSIONS: u64 = 0xc671_706a;

/// The control stream's first bytes (stream type, then the SETTINGS frame) with [`MAX_SESSIONS`] = 1 added. Bytes of
/// any other form come back as they are.
pub(super) fn complete(first: &Bytes) -> Bytes {
    with_sessions(first).unwrap_or_else(|| first.clone())
}

fn with_sessions(first: &Bytes) -> Option<Bytes> {
    let mut bytes = first.clone();
    let (0x00, size) = varint::read(&bytes)? else {
        return None;
    };
    bytes.advance(size);
    let (0x04, size) = varint::read(&bytes)? else {
        return None;
    };
    bytes.advance(size);
    let (length, size) = varint::read(&bytes)?;
    bytes.advance(size);
    let at = usize::try_from(length).ok().filter(|at| *at <= bytes.len())?;
    let after = bytes.split_off(at);

    let mut added = BytesMut::new();
    varint::write(MAX_SESSIONS, &mut added);
    varint::write(1, &mut added);

    let mut out = BytesMut::with_capacity(first.len() + added.len() + 8);
    varint::write(0x00, &mut out);
    varint::write(0x04, &mut out);
    varint::write((bytes.len() + added.len()) as u64, &mut out);
    out.extend_from_slice(&bytes);
    out.extend_from_slice(&added);
    out.extend_from_slice(&after);
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_added_and_the_rest_kept() {
        let first = Bytes::from_static(&[0, 4, 4, 0x08, 1, 0x33, 1, 0x21]);
        let expected = [0, 4, 13, 0x08, 1, 0x33, 1, 0xc0, 0, 0, 0, 0xc6, 0x71, 0x70, 0x6a, 1, 0x21];
        assert_eq!(complete(&first)[..], expected);
    }

    #[test]
    fn unknown_forms_stay() {
        for other in [&[][..], &[0], &[2], &[0, 4, 9, 1], &[0, 7, 1, 1]] {
            let other = Bytes::copy_from_slice(other);
            assert_eq!(complete(&other), other);
        }
    }
}
