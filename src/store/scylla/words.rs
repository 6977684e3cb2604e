//! What of a text can be found.

use std::collections::BTreeSet;

/// Words of a text that are indexed: the first so many different ones.
const INDEXED: usize = 500;
/// Words of a query that count; a longer query finds what holds the first so many.
const ASKED: usize = 32;
/// Letters of a word that count.
const LETTERS: usize = 64;

/// The different words of a text.
pub(super) fn indexed(text: &str) -> BTreeSet<String> {
    take(text, INDEXED)
}

/// The different words of a query, those first that are likely to be rare.
pub(super) fn asked(query: &str) -> Vec<String> {
    let mut words: Vec<_> = take(query, ASKED).into_iter().collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

fn take(text: &str, most: usize) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        words.insert(word.chars().flat_map(char::to_lowercase).take(LETTERS).collect());
        if words.len() == most {
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_without_case() {
        let words: Vec<_> = indexed("RED, red wine! a.b@c 555-1234 Köln \0").into_iter().collect();
        assert_eq!(words, ["1234", "555", "a", "b", "c", "köln", "red", "wine"]);
        assert_eq!(asked("!!! \0 \"\""), [""; 0]);
        assert_eq!(asked("a longer a"), ["longer", "a"]);
    }

    #[test]
    fn no_text_is_too_long() {
        let many = (0..5_000).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(indexed(&many).len(), INDEXED);
        assert_eq!(asked(&many).len(), ASKED);
        assert_eq!(indexed(&"x".repeat(100_000)).first().map(String::len), Some(LETTERS));
    }
}
