//! Which web pages may connect.

use std::fmt;

use http::{HeaderMap, HeaderValue};

use super::{authority::Authority, authority::Host, public::PublicUrl};

/// The web origins that may open a connection. Browsers send theirs and cannot be made to lie about it; what is
/// not a browser may leave it out, and is held back by its token alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(Vec<Listed>);

/// An origin: scheme, host and port of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    https: bool,
    host: Host,
    port: u16,
}

/// An origin of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    https: bool,
    host: Host,
    /// `None`: any.
    port: Option<u16>,
}

/// What the server itself is called by whoever asks. Its own pages may connect, where the name can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    host: Host,
    port: u16,
    vouched: bool,
}

/// An origin that no page can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// It is not of the form of an origin.
    #[error("it must be `https://host` or `https://host:port` (or http), with nothing behind it")]
    Form,
    /// `*` where it means nothing.
    #[error("`*` stands for any port only, as in `http://localhost:*`; write each host out")]
    Wildcard,
}

/// The port of a scheme.
pub(super) const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

impl Origin {
    pub(super) const fn new(https: bool, host: Host, port: u16) -> Self {
        Self { https, host, port }
    }

    /// As a browser sends it. `null` is none that could be listed.
    fn of_header(value: &HeaderValue) -> Option<Self> {
        let (https, rest) = split_scheme(value.to_str().ok()?)?;
        let Authority { host, port } = Authority::parse(rest)?;
        Some(Self { https, host, port: port.unwrap_or(default_port(https)) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default_port(self.https) { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Whether it is https, and what follows.
pub(super) fn split_scheme(text: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Some((true, rest)),
        "http" => Some((false, rest)),
        _ => None,
    }
}

impl Listed {
    fn parse(text: &str) -> Result<Self, BadOrigin> {
        let (https, rest) = split_scheme(text.trim()).ok_or(BadOrigin::Form)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (rest, any) = rest.strip_suffix(":*").map_or((rest, false), |rest| (rest, true));
        if rest.contains('*') {
            return Err(BadOrigin::Wildcard);
        }
        let Authority { host, port } = Authority::parse(rest).ok_or(BadOrigin::Form)?;
        match (any, port) {
            (true, None) => Ok(Self { https, host, port: None }),
            (true, Some(_)) => Err(BadOrigin::Form),
            (false, port) => Ok(Self { https, host, port: Some(port.unwrap_or(default_port(https))) }),
        }
    }

    fn covers(&self, origin: &Origin) -> bool {
        self.https == origin.https
            && self.host == origin.host
            && self.port.is_none_or(|port| port == origin.port)
    }
}

impl Own {
    /// The server as it is called. `vouched`: by a certificate or a trusted proxy, so no page of another host can have
    /// given the server a name of its own.
    pub const fn new(host: Host, port: u16, vouched: bool) -> Self {
        Self { host, port, vouched }
    }

    /// Whether a page is the server's own. Its scheme says nothing: a proxy may have taken the encryption off.
    fn is(&self, origin: &Origin) -> bool {
        self.host == origin.host && self.port == origin.port && (self.vouched || self.host.is_local())
    }
}

impl Origins {
    /// Reads a list: `https://host`, `https://host:port`, or `:*` for any port.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, BadOrigin> {
        list.into_iter().map(Listed::parse).collect::<Result<_, _>>().map(Self)
    }

    /// The same with the server's public address.
    pub fn with(mut self, public: &PublicUrl) -> Self {
        let Origin { https, host, port } = public.origin();
        self.0.push(Listed { https, host, port: Some(port) });
        self
    }

    /// Whether a request with this `Origin` header may go on.
    pub fn allow(&self, origin: Option<&HeaderValue>, own: Option<&Own>) -> bool {
        let Some(origin) = origin else { return true };
        let Some(origin) = Origin::of_header(origin) else { return false };
        self.0.iter().any(|listed| listed.covers(&origin)) || own.is_some_and(|own| own.is(&origin))
    }
}

/// The token of an `Authorization: Bearer` header. Two of these headers are none: who is meant would be a guess.
pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let value = value.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str]) -> Origins {
        Origins::parse(list.iter().copied()).unwrap()
    }

    fn allow(origins: &Origins, origin: &'static str) -> bool {
        origins.allow(Some(&HeaderValue::from_static(origin)), None)
    }

    #[test]
    fn only_listed_pages_may_connect() {
        let list = origins(&["https://a.example", "http://[::1]:5173"]);
        assert!(list.allow(None, None));
        for good in ["https://a.example", "https://A.example", "http://[::1]:5173", "http://[0:0::1]:5173"] {
            assert!(allow(&list, good), "{good}");
        }
        for other in [
            "https://a.example.evil",
            "http://a.example",
            "https://a.example:8443",
            "https://a.example/x",
            "null",
            "",
            "http://[::1]",
            "https://a.example, https://b.example",
        ] {
            assert!(!allow(&list, other), "{other}");
        }
    }

    /// Browsers leave a scheme's own port out and write small letters.
    #[test]
    fn other_ways_to_write_an_origin_are_the_same() {
        let list =
            origins(&["https://app.example.org:443", "http://x.example.org:80/", "https://App.Example.org/"]);
        assert!(allow(&list, "https://app.example.org") && allow(&list, "http://x.example.org"));
        assert!(!allow(&list, "http://app.example.org") && !allow(&list, "https://x.example.org"));
    }

    #[test]
    fn an_asterisk_stands_for_any_port() {
        let list = origins(&["http://localhost:*"]);
        assert!(allow(&list, "http://localhost:5173") && allow(&list, "http://localhost"));
        assert!(!allow(&list, "https://localhost:5173") && !allow(&list, "http://localhost.evil:5173"));
        for (bad, why) in [
            ("https://*.example.org", BadOrigin::Wildcard),
            ("*", BadOrigin::Form),
            ("https://*", BadOrigin::Wildcard),
            ("http://localhost:80:*", BadOrigin::Form),
            ("example.org", BadOrigin::Form),
            ("https://a.example/path", BadOrigin::Form),
            ("https://ann@a.example", BadOrigin::Form),
            ("ftp://a.example", BadOrigin::Form),
        ] {
            assert_eq!(Origins::parse([bad]), Err(why), "{bad}");
        }
    }

    /// A page of `evil.example` can have that name point to this machine, and then calls the server so.
    #[test]
    fn the_servers_own_page_may_connect_where_its_name_can_be_relied_on() {
        let none = Origins::default();
        let may = |origin: &'static str, own: &str, vouched| {
            let Authority { host, port } = Authority::parse(own).unwrap();
            let own = Own::new(host, port.unwrap(), vouched);
            none.allow(Some(&HeaderValue::from_static(origin)), Some(&own))
        };
        assert!(may("http://[::1]:4433", "[::1]:4433", false));
        assert!(may("http://mybox.lan:4433", "mybox.lan:4433", false));
        assert!(may("http://192.168.1.5", "192.168.1.5:80", false));
        assert!(may("https://a.example", "a.example:443", true));
        assert!(!may("http://evil.example:4433", "evil.example:4433", false));
        assert!(!may("http://mybox:5173", "mybox:4433", false), "another port is another page");
        assert!(!may("https://b.example", "a.example:443", true));
    }

    #[test]
    fn the_bearer_scheme_is_case_insensitive() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        headers.insert("authorization", HeaderValue::from_static("bearer a.b.c"));
        assert_eq!(bearer(&headers).as_deref(), Some("a.b.c"));
        headers.append("authorization", HeaderValue::from_static("Bearer d.e.f"));
        assert_eq!(bearer(&headers), None, "one of them, but which?");
        headers.insert("authorization", HeaderValue::from_static("Basic a"));
        assert_eq!(bearer(&headers), None);
    }
}
