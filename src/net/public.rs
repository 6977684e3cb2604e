//! Where clients reach the server: by its configuration, by what proxies say, or by what a client calls it.

use std::fmt;

use super::{
    authority::{Authority, Host},
    origin::{Origin, default_port, split_scheme},
};

/// Longest prefix of paths.
const MAX_PREFIX: usize = 256;

/// Scheme, host, port, and what stands before every path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// Whether HTTP and WebSocket are encrypted on the client's side.
    pub https: bool,
    /// The host.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
    /// Empty, or `/` and one or more segments, without a slash at the end.
    pub prefix: String,
}

/// Where WebTransport is reached, where that differs from HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicQuic {
    /// Nowhere: nothing forwards UDP.
    None,
    /// On the same host.
    Port(u16),
    /// On another host.
    At(Host, u16),
}

/// A public address that is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be `https://host`, `https://host:port` or `https://host/prefix` (or http), without user, query and fragment"
)]
pub struct BadUrl;

/// A setting that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it must be a port, `host:port`, or `none`")]
pub struct BadQuic;

impl PublicUrl {
    /// Reads the setting.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let (https, rest) = split_scheme(text.trim()).ok_or(BadUrl)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let Authority { host, port } = Authority::parse(authority).ok_or(BadUrl)?;
        let prefix = prefix(path).ok_or(BadUrl)?;
        Ok(Self { https, host, port: port.unwrap_or(default_port(https)), prefix })
    }

    /// The origin of its pages.
    pub fn origin(&self) -> Origin {
        Origin::new(self.https, self.host.clone(), self.port)
    }

    /// The URL of a WebSocket at `path`.
    pub fn websocket(&self, path: &str) -> String {
        format!("{}{}{path}", self.websocket_origin(), self.prefix)
    }

    /// The same without a path, as policies name it.
    pub fn websocket_origin(&self) -> String {
        self.origin().to_string().replacen("http", "ws", 1)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.prefix)
    }
}

/// Reads what stands before every path; empty for none. `.` and `..` would lead elsewhere.
pub fn prefix(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.is_empty() {
        return Some(String::new());
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    let good = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    let good = text.len() <= MAX_PREFIX && text.strip_prefix('/')?.split('/').all(good);
    good.then(|| text.to_owned())
}

impl PublicQuic {
    /// Reads the setting.
    pub fn parse(text: &str) -> Result<Self, BadQuic> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self::None);
        }
        if let Some(Authority { host, port: Some(port) }) = Authority::parse(text) {
            return Ok(Self::At(host, port));
        }
        text.parse().ok().filter(|port| *port != 0).map(Self::Port).ok_or(BadQuic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_in_one_way() {
        for (text, written, websocket) in [
            ("https://a.example", "https://a.example", "wss://a.example/ws"),
            ("https://A.Example:443/", "https://a.example", "wss://a.example/ws"),
            ("http://a.example:80", "http://a.example", "ws://a.example/ws"),
            ("https://a.example:8443/rt/", "https://a.example:8443/rt", "wss://a.example:8443/rt/ws"),
            ("HTTP://[::1]:4433/a/b-c", "http://[::1]:4433/a/b-c", "ws://[::1]:4433/a/b-c/ws"),
        ] {
            let read = PublicUrl::parse(text).unwrap();
            assert_eq!(
                (read.to_string(), read.websocket("/ws")),
                (written.into(), websocket.into()),
                "{text}"
            );
        }
        for bad in [
            "",
            "a.example",
            "ws://a.example",
            "https://",
            "https://a.example?x",
            "https://a.example/#x",
            "https://ann:x@a.example",
            "https://a.example/a//b",
            "https://a.example/../x",
            "https://a.example/a b",
            "https://a.example//",
            "https://a;b",
            "https://a.example/;x",
            "https://a.example/%2e",
            "https://:443",
        ] {
            assert_eq!(PublicUrl::parse(bad), Err(BadUrl), "{bad}");
        }
    }

    #[test]
    fn quic_has_a_port_a_host_and_port_or_nothing() {
        assert_eq!(PublicQuic::parse("none"), Ok(PublicQuic::None));
        assert_eq!(PublicQuic::parse("8443"), Ok(PublicQuic::Port(8443)));
        let at = |host| PublicQuic::At(Host::parse(host).unwrap(), 443);
        assert_eq!(PublicQuic::parse("quic.example:443"), Ok(at("quic.example")));
        assert_eq!(PublicQuic::parse("[::1]:443"), Ok(at("[::1]")));
        for bad in ["", "0", "70000", "quic.example", "https://a:1", "a b:1", "x"] {
            assert_eq!(PublicQuic::parse(bad), Err(BadQuic), "{bad}");
        }
    }
}
