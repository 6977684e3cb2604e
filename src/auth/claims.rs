//! Where in a token what stands: every issuer has its own names for it.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Where each thing is found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Claims {
    /// The user: a text.
    pub user: Path,
    /// The organisation: a text, or a list or object that has exactly one.
    pub organisation: Path,
    /// Roles: lists, or texts of names with spaces between them. All that are there count.
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

    /// What stands there. `null` is nothing.
    fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.steps.split_first()?;
        let found = rest.iter().try_fold(claims.get(first)?, |value, step| value.as_object()?.get(step))?;
        (!found.is_null()).then_some(found)
    }

    /// The one text there.
    pub(super) fn one<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a str> {
        match self.find(claims)? {
            Value::String(text) => Some(text),
            // As Keycloak writes the organisations of a user. Of several, none is meant.
            Value::Array(list) => match list.as_slice() {
                [Value::String(text)] => Some(text),
                _ => None,
            },
            Value::Object(object) if object.len() == 1 => object.keys().next().map(String::as_str),
            _ => None,
        }
    }

    /// The text there, and nothing else.
    pub(super) fn text<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a str> {
        self.find(claims)?.as_str()
    }

    /// The texts there; `None` where there is something else. To leave out what cannot be read would be wrong: who has
    /// neither a department nor a team sees everyone.
    pub(super) fn many<'a>(&self, claims: &'a Map<String, Value>) -> Option<Vec<&'a str>> {
        match self.find(claims) {
            None => Some(Vec::new()),
            Some(Value::String(text)) => Some(vec![text]),
            Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
            Some(_) => None,
        }
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
        });
        let claims = claims.as_object().unwrap();
        for (text, found) in [
            ("org_id", "a"),
            ("o.id", "b"),
            ("https://example.org/org", "c"),
            ("organization", "d"),
            ("map", "e"),
            ("/o/id", "b"),
            ("/https:~1~1example.org~1org", "c"),
        ] {
            assert_eq!(path(text).one(claims), Some(found), "{text}");
        }
        assert_eq!(path("/resource_access/my.app/roles").many(claims), Some(vec!["x", "y"]));
        assert_eq!(path("none").many(claims), Some(vec![]));
        assert_eq!(path("org_id.deeper").one(claims), None);
        for wrong in ["", ".", "a..b", "a.", "/", "/a//b"] {
            assert_eq!(Path::try_from(wrong.to_owned()), Err(BadPath), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_just_one_text_is_none() {
        let claims =
            json!({ "two": ["a", "b"], "no": [], "number": 5, "map": { "a": 1, "b": 2 }, "mixed": ["a", 5] });
        let claims = claims.as_object().unwrap();
        for name in ["two", "no", "number", "map", "absent"] {
            assert_eq!(path(name).one(claims), None, "{name}");
        }
        assert_eq!(path("number").many(claims), None);
        assert_eq!(path("mixed").many(claims), None);
    }
}
