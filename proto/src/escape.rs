//! Names of other systems as ids, reversibly: an issuer's subject, a driver's name in any script.

use std::{borrow::Cow, fmt::Write};

/// What an escaped id begins with. An id that begins with it by itself is escaped, too, so that no two texts share an id.
const MARK: &str = "~~";

/// Bytes that an escaped id shows as they are: those of ids without `=` and `~`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-@+|:".contains(&byte)
}

/// `text` with the characters of an id only. A text that has no others stays as it is; otherwise the answer is `~~` and
/// the UTF-8 bytes of the text, with `=` and two capital hexadecimal digits for each byte outside `A-Z a-z 0-9 . _ - @ + | :`.
/// Different texts have different answers. The answer may be longer than [`MAX_ID`](crate::MAX_ID), and is empty for an empty text.
pub fn escape_id(text: &str) -> Cow<'_, str> {
    let fits = |byte: u8| is_plain(byte) || byte == b'=' || byte == b'~';
    if text.bytes().all(fits) && !text.starts_with(MARK) {
        return Cow::Borrowed(text);
    }
    let mut id = String::with_capacity(MARK.len() + text.len() * 3);
    id.push_str(MARK);
    for byte in text.bytes() {
        if is_plain(byte) {
            id.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(id, "={byte:02X}");
        }
    }
    Cow::Owned(id)
}

/// The text that [`escape_id`] made `id` of. An id that it did not make is its own text.
pub fn unescape_id(id: &str) -> Cow<'_, str> {
    match decode(id) {
        // Only the one form that `escape_id` writes: otherwise two ids would be shown as the same text.
        Some(text) if escape_id(&text) == id => Cow::Owned(text),
        _ => Cow::Borrowed(id),
    }
}

fn decode(id: &str) -> Option<String> {
    let mut rest = id.strip_prefix(MARK)?.bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::UserId;

    #[test]
    fn texts_that_are_ids_stay_as_they_are() {
        for text in ["ann", "auth0|9", "kc:1", "a=b~c", "~servers", "ann@example.org", ""] {
            assert_eq!(escape_id(text), text);
            assert_eq!(unescape_id(text), text);
        }
    }

    #[test]
    fn other_texts_are_escaped() {
        assert_eq!(escape_id("Zoë 7"), "~~Zo=C3=AB=207");
        assert_eq!(escape_id("~~ann"), "~~=7E=7Eann");
        assert_eq!(unescape_id("~~=7E=7Eann"), "~~ann");
        assert_eq!(unescape_id("~~=E9=A9=AC"), "马");
    }

    #[test]
    fn what_was_not_escaped_is_shown_as_it_is() {
        // No escape, lower case, cut off, not UTF-8, a byte that needs no escape.
        for id in ["~~", "~~ann", "~~=c3=ab", "~~=C", "~~=C3", "~~=41=20", "~~a~=20"] {
            assert_eq!(unescape_id(id), id);
        }
    }

    proptest! {
        #[test]
        fn every_text_has_an_id_of_its_own(one in ".{0,8}", other in "[~=A-F0-9é ]{0,12}") {
            for text in [&one, &other] {
                let id = escape_id(text);
                prop_assert_eq!(unescape_id(&id), text.as_str());
                prop_assert!(text.is_empty() || UserId::new(&id).is_ok());
            }
            prop_assert!(one == other || escape_id(&one) != escape_id(&other));
        }
    }
}
