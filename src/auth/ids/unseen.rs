//! Characters that cannot be seen where they stand: by them two names look alike, or one is shown backwards.

/// Marks by which Persian and other names keep letters apart, and Indic ones and emoji put them together.
const NON_JOINER: char = '\u{200c}';
const JOINER: char = '\u{200d}';
/// Asks for an emoji in colour, where the character is a plain one as well.
const AS_EMOJI: char = '\u{fe0f}';
/// Makes a key of the digit before it.
const KEYCAP: char = '\u{20e3}';

/// Whether a name has one.
pub(super) fn any(name: &str) -> bool {
    let mut before = None;
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        let after = rest.peek().copied();
        let seen = match c {
            NON_JOINER => before.zip(after).is_some_and(|(before, after)| keeps_apart(before, after)),
            JOINER => before.is_some_and(|before| puts_together(before, after)),
            AS_EMOJI => before.is_some_and(|before| is_emoji(before) || is_key(before, after)),
            c => !c.is_control() && !is_ignorable(c) && !matches!(c, '\u{2028}'..='\u{2029}'),
        };
        if !seen {
            return true;
        }
        before = Some(c);
    }
    false
}

/// `Default_Ignorable_Code_Point` of Unicode, annotations, and the empty pattern of Braille.
const fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}')
        || matches!(c, '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}')
        || matches!(c, '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether these would join without the mark between them (RFC 5892, appendix A.1). After letters that join nothing that
/// follows, such as alef, it changes nothing.
fn keeps_apart(before: char, after: char) -> bool {
    if is_virama(before) {
        return is_indic(after);
    }
    is_arabic(before) && !joins_only_backwards(before) && is_arabic(after)
}

/// Whether the mark makes one sign of these (appendix A.2; emoji). The half form of an Indic letter may end a word.
fn puts_together(before: char, after: Option<char>) -> bool {
    if is_virama(before) {
        return after.is_none_or(|after| is_indic(after) || after == ' ');
    }
    (is_emoji(before) || before == AS_EMOJI) && after.is_some_and(is_emoji)
}

fn is_key(before: char, after: Option<char>) -> bool {
    matches!(before, '0'..='9' | '#' | '*') && after == Some(KEYCAP)
}

/// Letters and marks of scripts whose letters join: Arabic, Syriac, Mandaic, N'Ko.
fn is_arabic(c: char) -> bool {
    c.is_alphabetic() && matches!(c, '\u{620}'..='\u{7ff}' | '\u{840}'..='\u{8ff}')
}

/// Hamza, and letters of the joining type R in Arabic.
const fn joins_only_backwards(c: char) -> bool {
    matches!(c, '\u{621}'..='\u{625}' | '\u{627}' | '\u{629}' | '\u{62f}'..='\u{632}' | '\u{648}')
        || matches!(c, '\u{671}'..='\u{677}' | '\u{688}'..='\u{699}' | '\u{6c0}' | '\u{6c3}'..='\u{6cb}')
        || matches!(c, '\u{6cd}' | '\u{6cf}' | '\u{6d2}'..='\u{6d5}' | '\u{6ee}' | '\u{6ef}')
}

/// Letters and marks from Devanagari to Sinhala, of Myanmar and of Khmer.
fn is_indic(c: char) -> bool {
    matches!(c, '\u{900}'..='\u{dff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

/// Signs that take the vowel off a letter and tie it to the next.
const fn is_virama(c: char) -> bool {
    matches!(c, '\u{94d}' | '\u{9cd}' | '\u{a4d}' | '\u{acd}' | '\u{b4d}' | '\u{bcd}' | '\u{c4d}')
        || matches!(c, '\u{ccd}' | '\u{d4d}' | '\u{dca}' | '\u{1039}' | '\u{17d2}')
}

/// Characters that may be pictures, and shades of skin.
const fn is_emoji(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}')
        || matches!(c, '\u{2194}'..='\u{21aa}' | '\u{231a}'..='\u{23ff}' | '\u{24c2}' | '\u{25aa}'..='\u{27bf}')
        || matches!(c, '\u{2934}' | '\u{2935}' | '\u{2b05}'..='\u{2b55}' | '\u{3030}' | '\u{303d}')
        || matches!(c, '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}
