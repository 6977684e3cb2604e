//! QUIC's variable-length integers (RFC 9000, section 16).

use bytes::{BufMut, BytesMut};

/// Reads the integer at the start of `bytes`: its value and how many bytes it takes. `None` where it is not complete.
pub(super) fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = 1usize << (first >> 6);
    let rest = bytes.get(1..length)?;
    let value = rest.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
    Some((value, length))
}

/// Appends `value` in its shortest form. Values over 2^62 - 1 do not exist on the wire.
pub(super) fn write(value: u64, out: &mut BytesMut) {
    match value {
        0..0x40 => out.put_u8(value as u8),
        0x40..0x4000 => out.put_u16(value as u16 | 0x4000),
        0x4000..0x4000_0000 => out.put_u32(value as u32 | 0x8000_0000),
        _ => out.put_u64(value | 0xc000_0000_0000_0000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_goes_both_ways() {
        for value in [0, 0x3f, 0x40, 0x54, 0x2843, 0x3fff, 0x4000, 0x3fff_ffff, 0x4000_0000, (1 << 62) - 1] {
            let mut out = BytesMut::new();
            write(value, &mut out);
            assert_eq!(read(&out), Some((value, out.len())));
            for cut in 0..out.len() {
                assert_eq!(read(&out[..cut]), None);
            }
        }
    }

    #[test]
    fn longer_forms_are_read_too() {
        assert_eq!(read(&[0x40, 0x54]), Some((0x54, 2)));
        assert_eq!(read(&[0x80, 0, 0, 0]), Some((0, 4)));
    }
}
