//! What trusted proxies add to a request: for whom they ask, and how they were reached themselves. `X-Forwarded-*`, or
//! `Forwarded` (RFC 7239).
//!
//! A client may write all of it as well, and a proxy may pass that on. So what counts is read from the end, which is the
//! proxy's, and what cannot be told apart from a client's invention is refused. A proxy's own address is not counted: taking
//! a request to be the proxy's would free whoever sent it from every limit.

mod element;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::{
    config::ForwardedHeaders,
    net::{authority::Authority, public::prefix},
};

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

/// Whose a request is cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    /// A proxy writes one kind: the other is the client's.
    #[error(
        "both Forwarded and X-Forwarded headers are there: set forwarded_headers to the kind that the proxy writes"
    )]
    Both,
    /// What ought to be an address is none.
    #[error("X-Forwarded-For is malformed")]
    For,
    /// It is not of the form of RFC 7239.
    #[error("Forwarded is malformed")]
    Forwarded,
}

impl Forwarded {
    /// Of a request of `peer`; `None` where that is no trusted proxy.
    pub(super) fn read(
        peer: IpAddr,
        headers: &HeaderMap,
        proxies: &[IpNet],
        kind: ForwardedHeaders,
    ) -> Result<Option<Self>, Unclear> {
        let trusted = |address: IpAddr| {
            let address = address.to_canonical();
            proxies.iter().any(|network| network.contains(&address))
        };
        if !trusted(peer) {
            return Ok(None);
        }
        let by_x = [FOR, PROTO, HOST, PORT, PREFIX].iter().any(|name| headers.contains_key(name));
        let by_rfc = headers.contains_key(header::FORWARDED);
        match kind {
            ForwardedHeaders::Any if by_x && by_rfc => Err(Unclear::Both),
            ForwardedHeaders::Any if by_rfc => Self::by_rfc(headers, trusted),
            ForwardedHeaders::Any | ForwardedHeaders::XForwarded => Self::by_x(headers, trusted),
            ForwardedHeaders::Forwarded => Self::by_rfc(headers, trusted),
        }
        .map(Some)
    }

    fn by_x(headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> Result<Self, Unclear> {
        let (mut client, mut hops) = (None, 0);
        for entry in list(headers, &FOR).rev() {
            let Some(address) = node(entry).map_err(|Malformed| Unclear::For)? else { break };
            (client, hops) = (Some(address), hops + 1);
            if !trusted(address) {
                break;
            }
        }
        // Each trusted proxy has added one entry, or the outermost one stands alone.
        let outermost = |name| {
            let entries: Vec<_> = list(headers, name).collect();
            let entry = entries.get(entries.len().saturating_sub(hops.max(1)));
            entry.and_then(|entry| std::str::from_utf8(entry).ok())
        };
        Ok(Self {
            client,
            https: outermost(&PROTO).and_then(is_https),
            authority: outermost(&HOST).and_then(Authority::parse),
            port: outermost(&PORT).and_then(|port| port.parse().ok()).filter(|port| *port != 0),
            prefix: outermost(&PREFIX).and_then(prefix).unwrap_or_default(),
        })
    }

    fn by_rfc(headers: &HeaderMap, trusted: impl Fn(IpAddr) -> bool) -> Result<Self, Unclear> {
        let mut elements = Vec::new();
        // Line by line: a quotation that a client leaves open ends with its line, which then is malformed.
        for line in headers.get_all(header::FORWARDED) {
            elements.extend(element::read(line.as_bytes()).ok_or(Unclear::Forwarded)?);
        }
        let mut read = Self::default();
        for element in elements.iter().rev() {
            if element.is_empty() {
                return Err(Unclear::Forwarded);
            }
            let of = |name: &str| element.get(name);
            read.https = of("proto").and_then(is_https);
            read.authority = of("host").and_then(Authority::parse);
            let Some(client) = of("for") else { break };
            let Some(address) = node(client.as_bytes()).map_err(|Malformed| Unclear::Forwarded)? else {
                break;
            };
            read.client = Some(address);
            if !trusted(address) {
                break;
            }
        }
        Ok(read)
    }
}

/// The entries of a list, in all its lines. Bytes: one that is no ASCII spoils its own entry and no other.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

fn is_https(scheme: &str) -> Option<bool> {
    match scheme.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// A node of RFC 7239, section 6, which some proxies write in other ways as well: an address, with its port or without. `None`
/// where the proxy does not say it on purpose.
fn node(entry: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    let entry = std::str::from_utf8(entry).map_err(|_| Malformed)?;
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (entry, None),
    };
    let port = port.filter(|port| hidden(port) || port.parse::<u16>().is_ok());
    let address = address(entry).or_else(|| port.and_then(|_| address(name)));
    if let Some(address) = address {
        return Ok(Some(address.to_canonical()));
    }
    let name = if port.is_some() { name } else { entry };
    if hidden(name) || name.eq_ignore_ascii_case("unknown") { Ok(None) } else { Err(Malformed) }
}

/// Where an address should stand, something else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

/// A word that stands for what a proxy keeps to itself.
fn hidden(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.len() > 1 && text.starts_with('_') && text.bytes().all(plain)
}

/// An address as it is, in brackets, or with a port. The network card that a local one belongs to says nothing here.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(with_port) = text.parse::<SocketAddr>() {
        return Some(with_port.ip());
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let (bare, _) = bare.split_once('%').unwrap_or((bare, ""));
    bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests;
