//! Host and port, as they stand in a URL after `//`.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

/// Longest name of a host.
const MAX_NAME: usize = 253;

/// A host: a name or an address. Only characters that mean nothing elsewhere, so it may be put into a header, a policy or
/// a URL as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

/// A host and, where one is written, a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port; `None` stands for that of the scheme.
    pub port: Option<u16>,
}

impl Host {
    /// Reads a host; an IPv6 address stands in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix('[') {
            return address.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        if let Ok(address) = text.parse() {
            return Some(Self::V4(address));
        }
        let mut labels = text.strip_suffix('.').unwrap_or(text).split('.');
        let good = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let good = text.len() <= MAX_NAME && labels.all(good);
        good.then(|| Self::Name(text.to_ascii_lowercase()))
    }

    /// Whether it is this machine, as programs on it call it.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
        }
    }

    /// Whether nobody on the internet can make this name theirs: an address, this machine, or a name of a local network.
    pub fn is_local(&self) -> bool {
        const LOCAL: [&str; 5] = [".local", ".lan", ".internal", ".home.arpa", ".localhost"];
        match self {
            Self::Name(name) => !name.contains('.') || LOCAL.iter().any(|end| name.ends_with(end)),
            Self::V4(_) | Self::V6(_) => true,
        }
    }
}

impl Authority {
    /// Reads `host` or `host:port`.
    pub fn parse(text: &str) -> Option<Self> {
        // An IPv6 address has colons of its own, within brackets.
        let at = text.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match text[at..].find(':') {
            Some(colon) => (&text[..at + colon], &text[at + colon + 1..]),
            None => (text, ""),
        };
        Some(Self {
            host: Host::parse(host)?,
            port: if port.is_empty() { None } else { Some(port_of(port)?) },
        })
    }
}

fn port_of(text: &str) -> Option<u16> {
    let digits = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_read() {
        for (text, host, port) in [
            ("a.example", "a.example", None),
            ("A.Example:8443", "a.example", Some(8443)),
            ("a.example:", "a.example", None),
            ("my_box", "my_box", None),
            ("a.example.", "a.example.", None),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[2001:DB8::0:1]:443", "[2001:db8::1]", Some(443)),
        ] {
            let read = Authority::parse(text).unwrap();
            assert_eq!((read.host.to_string().as_str(), read.port), (host, port), "{text}");
        }
    }

    /// What is read ends up in policies and URLs.
    #[test]
    fn nothing_else_is_a_host() {
        let long = "a".repeat(254);
        for text in [
            "",
            ":80",
            "a b",
            "a;b",
            "a'b",
            "a,b",
            "a\"b",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a@b",
            "a%41",
            "a*b",
            "*",
            "a..b",
            ".a",
            "ä",
            "a\r\nb",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]]",
            "[a]",
            "[v1.x]",
            "a:0",
            "a:65536",
            "a:+80",
            "a:8 0",
            "a:80:80",
            "a:080000",
            "[fe80::1%25eth0]",
            &long,
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_names_that_nobody_can_register_are_local() {
        for local in ["localhost", "mybox", "mybox.local", "10.0.0.7", "[::1]", "a.lan", "x.home.arpa"] {
            assert!(Host::parse(local).unwrap().is_local(), "{local}");
        }
        for public in ["a.example", "local.example.org", "evil.locallan", "localhost.example"] {
            assert!(!Host::parse(public).unwrap().is_local(), "{public}");
        }
    }
}
