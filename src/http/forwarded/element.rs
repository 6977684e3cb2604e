//! The form of `Forwarded` (RFC 7239, section 4): elements with commas between them, of pairs with semicolons between them.

/// What one proxy has added: names in small letters, and values without their quotes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element(Vec<(String, String)>);

impl Element {
    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it says nothing.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The elements of one line; `None` where it is malformed.
pub(super) fn read(line: &[u8]) -> Option<Vec<Element>> {
    let (mut elements, mut element) = (Vec::new(), Element::default());
    let mut rest = line.trim_ascii();
    loop {
        // Between separators there may be nothing.
        if !matches!(rest.first(), None | Some(b';' | b',')) {
            let (name, value, after) = pair(rest)?;
            if element.get(&name).is_some() {
                return None;
            }
            element.0.push((name, value));
            rest = after;
        }
        match rest.split_first() {
            Some((b';', after)) => rest = after.trim_ascii_start(),
            Some((b',', after)) => {
                elements.push(std::mem::take(&mut element));
                rest = after.trim_ascii_start();
            }
            Some(_) => return None,
            None => {
                elements.push(element);
                return Some(elements);
            }
        }
    }
}

/// A name, its value, and what follows from a separator on.
fn pair(text: &[u8]) -> Option<(String, String, &[u8])> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let name = text[..equals].trim_ascii();
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return None;
    }
    let value = text[equals + 1..].trim_ascii_start();
    let (value, rest) = if let Some(quoted) = value.strip_prefix(b"\"") {
        unquoted(quoted)?
    } else {
        let end = value.iter().position(|byte| matches!(byte, b';' | b','));
        let (value, rest) = value.split_at(end.unwrap_or(value.len()));
        let value = value.trim_ascii_end();
        // Some proxies write an IPv6 address, or one with a port, without quotes.
        if !value.iter().all(|byte| is_token(*byte) || matches!(byte, b':' | b'[' | b']')) {
            return None;
        }
        (value.to_vec(), rest)
    };
    // What is no UTF-8 is no name and no address of anything either.
    let value = String::from_utf8_lossy(&value).into_owned();
    Some((String::from_utf8_lossy(name).to_ascii_lowercase(), value, rest.trim_ascii_start()))
}

/// What stands before the closing quote, and what comes behind it.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut value, mut bytes) = (Vec::new(), text.iter().enumerate());
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((value, &text[at + 1..])),
            b'\\' => value.push(*bytes.next()?.1),
            other => value.push(*other),
        }
    }
    None
}

/// A character of names (RFC 9110, section 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_pairs_are_told_apart() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(&[u8], &[Pairs<'_>])] = &[
            (b"", &[&[]]),
            (b"for=192.0.2.1", &[&[("for", "192.0.2.1")]]),
            (b"For = a ; PROTO=https", &[&[("for", "a"), ("proto", "https")]]),
            (b";for=a;;proto=b; ,, for=c", &[&[("for", "a"), ("proto", "b")], &[], &[("for", "c")]]),
            (
                b"for=\"[2001:db8::1]:80\",for=2001:db8::1",
                &[&[("for", "[2001:db8::1]:80")], &[("for", "2001:db8::1")]],
            ),
            (b"host=\"a, b;\\\" c\\\\\" , for=\"\"", &[&[("host", "a, b;\" c\\")], &[("for", "")]]),
            (b"x=\"\xff\";for=a", &[&[("x", "\u{fffd}"), ("for", "a")]]),
            (b"for=", &[&[("for", "")]]),
        ];
        for (line, expected) in cases {
            let read = read(line).unwrap_or_else(|| panic!("{}", line.escape_ascii()));
            let expected = expected.iter().map(|pairs| {
                Element(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
            });
            assert_eq!(read, expected.collect::<Vec<_>>(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn what_is_malformed_is_nothing() {
        let lines: [&[u8]; 15] = [
            b"for",
            b"for=a, b",
            b"=a",
            b"for=\"a",
            b"for=a;x=\"",
            b"for=a;x=\"\\\"",
            b"for=a;x=\"\\",
            b"for=a\"b\"",
            b"for=\"a\"b",
            b"for=\"a\" b=c",
            b"for=a b",
            b"for=a;for=b",
            b"for=\xff",
            b"f\xff=a",
            b"x=\", for=203.0.113.9;host=\"a.example:80\"",
        ];
        for line in lines {
            assert_eq!(read(line), None, "{}", line.escape_ascii());
        }
    }
}
