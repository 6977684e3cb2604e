//! What trusted proxies add to a request: for whom they ask, and how they were reached themselves. `X-Forwarded-*`, or
//! `Forwarded` (RFC 7239) where none of those is there: a proxy that sets the one may pass the other on unseen.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::net::{authority::Authority, public::prefix};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// What is believed. Each part is absent where no trusted proxy said it, or said it in a way that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    /// The client: the last address that is not a trusted proxy's. Everything before it may be its own invention.
    pub(super) client: Option<IpAddr>,
    /// Whether the client's own connection is encrypted.
    pub(super) https: Option<bool>,
    /// What the client calls the server.
    pub(super) authority: Option<Authority>,
    /// The port that the client reached, where the authority names none.
    pub(super) port: Option<u16>,
    /// What the proxy has taken off the front of the path.
    pub(super) prefix: String,
}

impl Forwarded {
    /// Of a request of `peer`; `None` where that is no trusted proxy.
    pub(super) fn read(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Option<Self> {
        let trusted = |address: IpAddr| {
            let address = address.to_canonical();
            proxies.iter().any(|network| network.contains(&address))
        };
        if !trusted(peer) {
            return None;
        }
        let known = [FOR, PROTO, HOST, PORT, PREFIX];
        let read = if known.iter().any(|name| headers.contains_key(name)) {
            Self::by_x(headers, trusted)
        } else {
            Self::by_rfc(headers, trusted)
        };
        Some(read)
    }

    fn by_x(headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> Self {
        let chain: Vec<_> = list(headers, &FOR).collect();
        let (mut client, mut hops) = (None, 0);
        for entry in chain.iter().rev() {
            let Some(address) = address(entry) else { break };
            (client, hops) = (Some(address), hops + 1);
            if !trusted(address) {
                break;
            }
        }
        // Each trusted proxy has added one entry, or the outermost one stands alone.
        let outermost = |name| {
            let entries: Vec<_> = list(headers, name).collect();
            entries.get(entries.len().saturating_sub(hops.max(1))).copied()
        };
        Self {
            client,
            https: outermost(&PROTO).and_then(is_https),
            authority: outermost(&HOST).and_then(Authority::parse),
            port: outermost(&PORT).and_then(|port| port.parse().ok()).filter(|port| *port != 0),
            prefix: outermost(&PREFIX).and_then(prefix).unwrap_or_default(),
        }
    }

    fn by_rfc(headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> Self {
        let mut read = Self::default();
        let all: Vec<&str> =
            headers.get_all(header::FORWARDED).iter().filter_map(|value| value.to_str().ok()).collect();
        let all = all.join(",");
        for element in split(&all, ',').into_iter().rev() {
            let pairs: Vec<_> = split(element, ';').into_iter().filter_map(pair).collect();
            let of =
                |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            read.https = of("proto").and_then(is_https);
            read.authority = of("host").and_then(Authority::parse);
            let Some(address) = of("for").and_then(address) else { break };
            read.client = Some(address);
            if !trusted(address) {
                break;
            }
        }
        read
    }
}

/// The entries of a list, in all its lines.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.to_str().unwrap_or_default().split(',')).map(str::trim)
}

fn is_https(scheme: &str) -> Option<bool> {
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// An address, which some proxies give with its port.
fn address(entry: &str) -> Option<IpAddr> {
    let address = entry.parse().ok().or_else(|| entry.parse().ok().map(|with: SocketAddr| with.ip()));
    let bare = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(bare).map(|address: IpAddr| address.to_canonical())
}

/// The parts between separators that do not stand within quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c => return c == separator && !quoted,
        }
        false
    })
    .collect()
}

/// A name in lower case and its value, without quotes.
fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let value = value.trim();
    let value = match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => value.to_owned(),
    };
    Some((name.trim().to_ascii_lowercase(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(peer: &str, lines: &[(&'static str, &str)]) -> Option<Forwarded> {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        Forwarded::read(peer.parse().unwrap(), &headers, &proxies)
    }

    fn client(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let peer_address = peer.parse::<IpAddr>().unwrap().to_canonical();
        read(peer, lines).and_then(|read| read.client).unwrap_or(peer_address).to_string()
    }

    #[test]
    fn only_what_a_trusted_proxy_added_is_believed_about_the_client() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.2.3.4", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1, "], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("::ffff:10.0.0.1", &["198.51.100.1:5555"], "198.51.100.1"),
            ("2001:db8::1", &["[2001:470::7]:443"], "2001:470::7"),
            ("2001:db8::1", &["[2001:470::7]"], "2001:470::7"),
            ("2001:db8::1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ];
        for (peer, forwarded, expected) in cases {
            let lines: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
            assert_eq!(client(peer, &lines), *expected, "{peer} {forwarded:?}");
        }
        for (forwarded, expected) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("for=1.2.3.4, for=198.51.100.1;proto=https, for=10.0.0.2", "198.51.100.1"),
            ("For=\"[2001:470::7]:4711\"", "2001:470::7"),
            ("for=198.51.100.1, for=_hidden", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[("forwarded", forwarded)]), expected, "{forwarded}");
            assert_eq!(client("192.0.2.1", &[("forwarded", forwarded)]), "192.0.2.1");
        }
    }

    /// Scheme, authority, port, prefix.
    type Way = (Option<bool>, Option<&'static str>, Option<u16>, &'static str);

    #[test]
    fn how_the_proxy_was_reached_is_read() {
        let cases: &[(&[(&'static str, &str)], Way)] = &[
            (&[], (None, None, None, "")),
            (
                &[
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-host", "a.example"),
                    ("x-forwarded-port", "8443"),
                ],
                (Some(true), Some("a.example"), Some(8443), ""),
            ),
            (
                &[("x-forwarded-host", "a.example:8443"), ("x-forwarded-prefix", "/rt/")],
                (None, Some("a.example:8443"), None, "/rt"),
            ),
            // The client's own line comes first; of two proxies the outer one counts.
            (
                &[("x-forwarded-host", "evil.example"), ("x-forwarded-host", "a.example")],
                (None, Some("a.example"), None, ""),
            ),
            (
                &[("x-forwarded-for", "192.0.2.1, 10.0.0.2"), ("x-forwarded-proto", "http, https, http")],
                (Some(true), None, None, ""),
            ),
            (
                &[("x-forwarded-for", "192.0.2.1, 10.0.0.2"), ("x-forwarded-proto", "https")],
                (Some(true), None, None, ""),
            ),
            (
                &[
                    ("x-forwarded-proto", "gopher"),
                    ("x-forwarded-host", "a;b"),
                    ("x-forwarded-port", "0"),
                    ("x-forwarded-prefix", "/../x"),
                ],
                (None, None, None, ""),
            ),
            (
                &[("forwarded", "for=192.0.2.1;proto=https;host=a.example")],
                (Some(true), Some("a.example"), None, ""),
            ),
            (
                &[(
                    "forwarded",
                    "host=evil.example, for=192.0.2.1;host=\"a.example:8443\", for=10.0.0.2;proto=https",
                )],
                (None, Some("a.example:8443"), None, ""),
            ),
            (&[("forwarded", "proto=https;host=\"a, b\\\"; host=c\"")], (Some(true), None, None, "")),
            // A proxy that sets the one kind passes the other on as the client wrote it.
            (
                &[("x-forwarded-proto", "https"), ("forwarded", "host=evil.example")],
                (Some(true), None, None, ""),
            ),
        ];
        for (lines, (https, host, port, prefix)) in cases {
            let read = read("10.0.0.1", lines).unwrap();
            let authority = host.map(|host| Authority::parse(host).unwrap());
            let expected = (*https, authority, *port, (*prefix).to_owned());
            assert_eq!((read.https, read.authority, read.port, read.prefix), expected, "{lines:?}");
            assert_eq!(self::read("192.0.2.1", lines), None, "{lines:?}");
        }
    }
}
