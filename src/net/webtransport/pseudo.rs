//! Pseudo-header fields of a request, counted before `h3` reads them: of two of a kind it takes the last without a word,
//! where RFC 9114 (section 4.3) calls the request malformed.

use super::varint;

/// What a field is by its index in QPACK's static table (RFC 9204, appendix A).
const fn of_index(index: u64) -> Option<&'static str> {
    match index {
        0 => Some(":authority"),
        1 => Some(":path"),
        15..=21 => Some(":method"),
        22..=23 => Some(":scheme"),
        24..=28 | 63..=71 => Some(":status"),
        _ => None,
    }
}

const NAMES: [&str; 6] = [":authority", ":path", ":method", ":scheme", ":status", ":protocol"];

/// Whether a field of a request stands twice, or one that only answers have. `head` is a request's stream up to the end of
/// its header fields. What cannot be read here is not for this to judge.
pub(super) fn malformed(head: &[u8]) -> bool {
    block(head).and_then(fields).is_some_and(|names| {
        let status = names.contains(&":status");
        status || NAMES.iter().any(|name| names.iter().filter(|other| *other == name).count() > 1)
    })
}

/// The header block: the content of the last frame.
fn block(mut head: &[u8]) -> Option<&[u8]> {
    loop {
        let (kind, size) = varint::read(head)?;
        let (length, more) = varint::read(head.get(size..)?)?;
        let (start, end) = (size + more, (size + more).checked_add(usize::try_from(length).ok()?)?);
        let content = head.get(start..end)?;
        if kind == 0x01 {
            return Some(content);
        }
        head = &head[end..];
    }
}

/// The names of a block's pseudo-header fields.
fn fields(block: &[u8]) -> Option<Vec<&'static str>> {
    let mut rest = block;
    // Required Insert Count and Base: there is no dynamic table.
    number(&mut rest, 8)?;
    number(&mut rest, 7)?;
    let mut names = Vec::new();
    while let Some(first) = rest.first().copied() {
        match first {
            // Indexed, in the static table.
            0xc0.. => names.extend(of_index(number(&mut rest, 6)?)),
            // A literal value with a name of the static table.
            0x50..=0x5f | 0x70..=0x7f => {
                names.extend(of_index(number(&mut rest, 4)?));
                text(&mut rest, 7)?;
            }
            // Both literal.
            0x20..=0x3f => {
                let (name, huffman) = text(&mut rest, 3)?;
                names.extend(NAMES.into_iter().find(|known| is(name, huffman, known)));
                text(&mut rest, 7)?;
            }
            // Of the dynamic table, which is empty.
            _ => return None,
        }
    }
    Some(names)
}

/// A number whose first byte has `bits` of it.
fn number(rest: &mut &[u8], bits: u32) -> Option<u64> {
    let (first, mut tail) = rest.split_first()?;
    let most = (1u64 << bits) - 1;
    let mut value = u64::from(*first) & most;
    if value == most {
        for shift in (0..56).step_by(7) {
            let (byte, next) = tail.split_first()?;
            tail = next;
            value = value.checked_add(u64::from(byte & 0x7f) << shift)?;
            if byte & 0x80 == 0 {
                *rest = tail;
                return Some(value);
            }
        }
        return None;
    }
    *rest = tail;
    Some(value)
}

/// A text whose length has `bits` in the first byte, and whether Huffman's code is used, by the bit before them.
fn text<'a>(rest: &mut &'a [u8], bits: u32) -> Option<(&'a [u8], bool)> {
    let huffman = rest.first()? & (1 << bits) != 0;
    let length = usize::try_from(number(rest, bits)?).ok()?;
    let text = rest.get(..length)?;
    *rest = &rest[length..];
    Some((text, huffman))
}

fn is(text: &[u8], huffman: bool, name: &str) -> bool {
    if huffman { text == encode(name) } else { text == name.as_bytes() }
}

/// A name in Huffman's code (RFC 7541, appendix B), filled up with ones.
fn encode(name: &str) -> Vec<u8> {
    let (mut out, mut held, mut bits) = (Vec::new(), 0u32, 0u32);
    for byte in name.bytes() {
        let (code, length) = code(byte);
        (held, bits) = (held << length | code, bits + length);
        while bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push((held << (8 - bits) | ((1 << (8 - bits)) - 1)) as u8);
    }
    out
}

/// The code of a character that one of [`NAMES`] has, and its bits.
const fn code(byte: u8) -> (u32, u32) {
    match byte {
        b'a' => (0x03, 5),
        b'c' => (0x04, 5),
        b'e' => (0x05, 5),
        b'i' => (0x06, 5),
        b'o' => (0x07, 5),
        b's' => (0x08, 5),
        b't' => (0x09, 5),
        b'd' => (0x24, 6),
        b'h' => (0x27, 6),
        b'l' => (0x28, 6),
        b'm' => (0x29, 6),
        b'p' => (0x2b, 6),
        b'r' => (0x2c, 6),
        b'u' => (0x2d, 6),
        b':' => (0x5c, 7),
        b'y' => (0x7a, 7),
        // No name has it: nothing is equal to what comes out.
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(block: &[u8]) -> Vec<u8> {
        [&[0x21, 1, 9, 1, block.len() as u8 + 2, 0, 0], block].concat()
    }

    #[test]
    fn a_name_that_stands_twice_is_found_however_it_is_written() {
        // As in RFC 7541, section C.4: `:authority` is not shown there, `:path` by its length.
        assert_eq!(encode(":path").len(), 4);
        let authority = encode(":authority");
        let huffman = [&[0x28 | 7, authority.len() as u8 - 7][..], &authority, &[1, b'a']].concat();
        let literal = [&[0x27, 3][..], b":authority", &[1, b'a']].concat();
        let by_name = [0x50, 1, b'a'];
        let ways = [&huffman[..], &literal, &by_name];
        for one in ways {
            assert!(!malformed(&head(one)));
            assert!(!malformed(&head(&[&[0xc0 | 15, 0xc1][..], one].concat())));
            for other in ways {
                assert!(malformed(&head(&[one, &[0xc1], other].concat())));
            }
        }
        assert!(malformed(&head(&[0xcf, 0xd4])), "two methods");
        assert!(malformed(&head(&[0xd9])), "a status");
        for unreadable in [&[0x80][..], &[0x27, 0xff], &[0x50, 9, 1], &[0xff, 0xff]] {
            assert!(!malformed(&head(unreadable)), "not for this to judge");
        }
    }
}
