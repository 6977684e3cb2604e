//! Reads the paths that a source file names. Knows of Rust no more than that takes.

use std::collections::BTreeSet;

/// Every path of the library that a file names through `crate::` or through enough `super::`, written from the root.
pub(crate) fn paths(file: &str, text: &str) -> BTreeSet<String> {
    let tokens = tokens(text);
    let depth = file.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
    let mut found = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        let mut supers = 0;
        let start = at;
        if tokens[at] == "crate" {
            at += 1;
        } else {
            while tokens[at..].starts_with(&["super".to_owned()])
                && tokens.get(at + 1).is_some_and(|t| t == "::")
            {
                supers += 1;
                at += if tokens.get(at + 2).is_some_and(|t| t == "super") { 2 } else { 1 };
            }
        }
        if at == start {
            at += 1;
        } else if (supers == 0 || supers >= depth) && tokens.get(at).is_some_and(|t| t == "::") {
            let mut tree = Vec::new();
            at = read_tree(&tokens, at + 1, "", &mut tree);
            // `use super::*` is that of a module within the file.
            found.extend(tree.into_iter().filter(|path| supers == 0 || path != "*"));
        }
    }
    found
}

/// Reads a path, or a tree of them in braces, and answers where it ends.
fn read_tree(tokens: &[String], mut at: usize, prefix: &str, found: &mut Vec<String>) -> usize {
    let mut path = prefix.to_owned();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    let before = at;
                    at = read_tree(tokens, at, &path, found);
                    // A comma, or what a new name follows (`as`).
                    at += usize::from(at == before || tokens.get(at).is_some_and(|token| token == ","));
                    if tokens.get(at).is_some_and(|token| token == "as") {
                        at += 2;
                    }
                }
                return at + 1;
            }
            "self" => {}
            name if name == "*" || name.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                if !path.is_empty() {
                    path.push_str("::");
                }
                path.push_str(name);
            }
            _ => break,
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    found.push(path);
    at
}

/// Words, `::` and single signs, without comments and texts.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            text_length(rest)
        } else if first == '\'' {
            character_length(rest)
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// A character, or the quote of a lifetime.
fn character_length(rest: &str) -> usize {
    let mut inner = rest[1..].chars();
    let end = match (inner.next(), inner.next()) {
        (Some('\\'), Some(_)) => rest[3..].find('\'').map(|end| end + 4),
        (Some(c), Some('\'')) => Some(c.len_utf8() + 2),
        _ => None,
    };
    end.unwrap_or(1)
}
