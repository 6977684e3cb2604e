//! Where in a token what stands: every issuer has its own names for it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Where each thing is found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Claims {
    /// The user: a text, or a whole number.
    pub user: Path,
    /// The organisation: the same, or a list or object that has exactly one.
    pub organisation: Path,
    /// Roles: lists of names, or one name. A text in the claim `scope` or `scp` has names with spaces between them.
    /// All that are there count.
    pub roles: Vec<Path>,
    /// Departments: a list, or a text.
    pub departments: Path,
    /// Teams: the same.
    pub teams: Path,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            user: Path::name("sub"),
            organisation: Path::name("org"),
            roles: vec![Path::name("roles"), Path::name("role")],
            departments: Path::name("departments"),
            teams: Path::name("teams"),
        }
    }
}

/// The way to a claim: names with dots between them (`realm_access.roles`); a URL, which is one name for all its dots
/// (`https://example.org/roles`); or a JSON pointer (`/resource_access/my.app/roles`).
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Path {
    text: String,
    steps: Vec<String>,
}

/// Not a way to a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a claim is named as `a`, `a.b`, a URL, or a JSON pointer `/a/b`")]
pub struct BadPath;

impl Path {
    fn name(name: &str) -> Self {
        Self { text: name.to_owned(), steps: vec![name.to_owned()] }
    }

    /// What stands there; `null` is nothing. `Err` where the way leads through something else than objects: then it cannot be
    /// said what is meant.
    fn find<'a>(&self, claims: &'a Map<String, Value>) -> Result<Option<&'a Value>, Blocked> {
        let mut steps = self.steps.iter();
        let Some(mut value) = steps.next().and_then(|first| claims.get(first)) else { return Ok(None) };
        for step in steps {
            value = match value {
                Value::Object(object) => match object.get(step) {
                    Some(inner) => inner,
                    None => return Ok(None),
                },
                Value::Null => return Ok(None),
                _ => return Err(Blocked),
            };
        }
        Ok((!value.is_null()).then_some(value))
    }

    /// The one text there.
    pub(super) fn one<'a>(&self, claims: &'a Map<String, Value>) -> Option<Cow<'a, str>> {
        match self.find(claims).ok()?? {
            // As Keycloak writes the organisations of a user. Of several, none is meant.
            Value::Array(list) => match list.as_slice() {
                [one] => text_of(one),
                _ => None,
            },
            // An object whose value is none is no list of organisations but something about one: its key would make one
            // organisation of all.
            Value::Object(object) if object.len() == 1 => {
                object.iter().next().filter(|(_, about)| about.is_object()).map(|(name, _)| name.into())
            }
            value => text_of(value),
        }
    }

    /// The text there, and nothing else.
    pub(super) fn text<'a>(&self, claims: &'a Map<String, Value>) -> Option<Cow<'a, str>> {
        text_of(self.find(claims).ok()??)
    }

    /// The texts there, each a whole one; `None` where there is something else. To leave out what cannot be read would be
    /// wrong: who has neither a department nor a team sees everyone.
    pub(super) fn many<'a>(&self, claims: &'a Map<String, Value>) -> Option<Vec<Cow<'a, str>>> {
        match self.find(claims).ok()? {
            None => Some(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(text_of).collect(),
            Some(value) => Some(vec![text_of(value)?]),
        }
    }

    /// The names there: the same, but what OAuth defines as names with spaces between them (RFC 6749, 3.3) is read as that.
    /// Anywhere else `billing admin` is one name: two of it would make somebody an admin whom nobody made one.
    pub(super) fn names<'a>(&self, claims: &'a Map<String, Value>) -> Option<Vec<Cow<'a, str>>> {
        match self.find(claims).ok()? {
            Some(Value::String(text)) if self.is_scope() => {
                Some(text.split(' ').filter(|name| !name.is_empty()).map(Cow::Borrowed).collect())
            }
            _ => self.many(claims),
        }
    }

    /// Only the token's own claim is that list. What else is called so, within another, is whatever its issuer makes of it.
    fn is_scope(&self) -> bool {
        matches!(self.steps.as_slice(), [name] if SCOPES.contains(&name.as_str()))
    }
}

/// Claims whose text is a list: that of the standard, and as Microsoft calls it.
const SCOPES: [&str; 2] = ["scope", "scp"];

/// The way to a claim leads through what is no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Blocked;

/// A text, or a whole number as its digits. Other numbers have several spellings, or are not exact.
pub(super) fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string().into()),
        _ => None,
    }
}

impl TryFrom<String> for Path {
    type Error = BadPath;

    fn try_from(text: String) -> Result<Self, BadPath> {
        let steps: Vec<String> = if let Some(pointer) = text.strip_prefix('/') {
            pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
        } else if text.contains("://") {
            vec![text.clone()]
        } else {
            text.split('.').map(str::to_owned).collect()
        };
        if steps.iter().any(String::is_empty) {
            return Err(BadPath);
        }
        Ok(Self { text, steps })
    }
}

/// As it is written.
impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn each_way_leads_to_its_claim() {
        let claims = json!({
            "org_id": "a", "o": { "id": "b" }, "https://example.org/org": "c", "organization": ["d"],
            "map": { "e": { "id": 1 } }, "resource_access": { "my.app": { "roles": ["x", "y"] } }, "none": null,
            "seven": 7,
        });
        let claims = claims.as_object().unwrap();
        for (text, found) in [
            ("org_id", "a"),
            ("o.id", "b"),
            ("https://example.org/org", "c"),
            ("organization", "d"),
            ("map", "e"),
            ("/o/id", "b"),
            ("seven", "7"),
            ("/https:~1~1example.org~1org", "c"),
        ] {
            assert_eq!(path(text).one(claims).as_deref(), Some(found), "{text}");
        }
        assert_eq!(path("/resource_access/my.app/roles").many(claims), Some(vec!["x".into(), "y".into()]));
        assert_eq!(path("none").many(claims), Some(vec![]));
        assert_eq!(path("org_id.deeper").one(claims), None);
        for wrong in ["", ".", "a..b", "a.", "/", "/a//b"] {
            assert_eq!(Path::try_from(wrong.to_owned()), Err(BadPath), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_just_one_text_is_none() {
        let claims = json!({
            "two": ["a", "b"], "no": [], "half": 5.5, "whole": 5.0, "large": 1e30, "yes": true,
            "map": { "a": 1, "b": 2 }, "about": { "id": "a" }, "mixed": ["a", true],
        });
        let claims = claims.as_object().unwrap();
        for name in ["two", "no", "half", "whole", "large", "yes", "map", "about", "absent"] {
            assert_eq!(path(name).one(claims), None, "{name}");
        }
        for name in ["half", "yes", "map", "mixed"] {
            assert_eq!(path(name).many(claims), None, "{name}");
        }
    }

    /// What is not there is nothing, what cannot be followed is not: it would be taken for "sees everyone".
    #[test]
    fn a_way_through_something_else_than_objects_is_no_way() {
        let claims = json!({ "app": "north", "list": [{ "a": "b" }], "none": null, "o": {} });
        let claims = claims.as_object().unwrap();
        for name in ["app.departments", "list.a", "/list/0/a"] {
            assert_eq!(path(name).many(claims), None, "{name}");
            assert_eq!(path(name).names(claims), None, "{name}");
        }
        for name in ["none.a", "o.a", "absent.a.b"] {
            assert_eq!(path(name).many(claims), Some(vec![]), "{name}");
        }
    }

    #[test]
    fn only_a_scope_is_split() {
        let claims = json!({
            "roles": ["billing admin"], "role": "billing admin", "scope": "agent  admin", "scp": "x\tadmin y",
            "app": { "scope": "x y" }, "list": { "scope": ["x y"] },
        });
        let claims = claims.as_object().unwrap();
        for (name, found) in [
            ("roles", &["billing admin"][..]),
            ("role", &["billing admin"]),
            ("scope", &["agent", "admin"]),
            ("scp", &["x\tadmin", "y"]),
            ("/scp", &["x\tadmin", "y"]),
            ("app.scope", &["x y"]),
            ("/app/scope", &["x y"]),
            ("list.scope", &["x y"]),
        ] {
            assert_eq!(path(name).names(claims).unwrap(), found, "{name}");
        }
    }
}
