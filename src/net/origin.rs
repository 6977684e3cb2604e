//! Which web pages may connect.

/// The web origins that may open a connection. Browsers send theirs and cannot be made to lie about it; what is
/// not a browser may leave it out, and is held back by its token alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every page. For development.
    Any,
    /// These, each as `https://host` or `https://host:port`.
    Only(Vec<String>),
}

impl Origins {
    /// Whether a request with this `Origin` header may go on.
    pub fn allow(&self, origin: Option<&http::HeaderValue>) -> bool {
        let Some(origin) = origin else { return true };
        match self {
            Self::Any => true,
            Self::Only(list) => list.iter().any(|o| o.as_bytes().eq_ignore_ascii_case(origin.as_bytes())),
        }
    }
}

/// The token of an `Authorization: Bearer` header. Two of these headers are none: who is meant would be a guess.
pub fn bearer(headers: &http::HeaderMap) -> Option<String> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let value = value.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_listed_pages_may_connect() {
        let origins = Origins::Only(vec!["https://a.example".into()]);
        assert!(origins.allow(None));
        assert!(origins.allow(Some(&HeaderValue::from_static("https://A.example"))));
        for other in ["https://a.example.evil", "http://a.example", "null", ""] {
            assert!(!origins.allow(Some(&HeaderValue::from_static(other))), "{other}");
        }
        assert!(Origins::Any.allow(Some(&HeaderValue::from_static("null"))));
    }

    #[test]
    fn the_bearer_scheme_is_case_insensitive() {
        let mut headers = http::HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        headers.insert("authorization", HeaderValue::from_static("bearer a.b.c"));
        assert_eq!(bearer(&headers).as_deref(), Some("a.b.c"));
        headers.append("authorization", HeaderValue::from_static("Bearer d.e.f"));
        assert_eq!(bearer(&headers), None, "one of them, but which?");
        headers.insert("authorization", HeaderValue::from_static("Basic a"));
        assert_eq!(bearer(&headers), None);
    }
}
