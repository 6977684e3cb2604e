//! Why a configuration cannot be read. Of what it holds only keys are told: a secret may stand in any line and, by
//! mistake, at any key, and what is told ends up in journals.

use std::path::Path;

use config::ConfigError;

/// A syntax error, an unknown key, a value of the wrong type: which, and where.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl Unreadable {
    /// Of what is no TOML: where, and what would have been. The parser's own words never hold what it read.
    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let path = path.display();
        let problem = error.message();
        let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
            return Self(format!("{path}: {problem}"));
        };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self(format!("{path}: line {line}, column {column}: {problem}"))
    }
}

impl From<ConfigError> for Unreadable {
    fn from(error: ConfigError) -> Self {
        Self(told(&error))
    }
}

fn told(error: &ConfigError) -> String {
    let (key, problem, origin) = match error {
        ConfigError::At { error, key, origin } => (key, told(error), origin),
        ConfigError::Type { expected: what, key, origin, .. } => (key, expected(what), origin),
        ConfigError::Message(text) => return without_value(text),
        _ => return "it cannot be read".to_owned(),
    };
    let key = key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default();
    let origin = origin.as_ref().map(|origin| format!(" (in {origin})")).unwrap_or_default();
    format!("{key}{problem}{origin}")
}

/// What serde says of a value begins with the value. What types of our own and of libraries say names none.
fn without_value(text: &str) -> String {
    let of_value = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    match text.rsplit_once(", expected ") {
        Some((_, what)) if of_value.iter().any(|start| text.starts_with(start)) => expected(what),
        None if of_value.iter().any(|start| text.starts_with(start)) => "it is no such value".to_owned(),
        _ => text.to_owned(),
    }
}

fn expected(what: &str) -> String {
    if what == "a map" || what.starts_with("struct ") {
        return "expected a table".to_owned();
    }
    format!("expected {what}")
}
