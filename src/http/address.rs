//! Whose a request is.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::HeaderMap,
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;

use super::Routes;

/// The header in which proxies tell for whom they ask: each adds the address that asked it.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Finds out whose a request is. What follows finds its address as [`ConnectInfo<SocketAddr>`], whatever stands between.
pub(super) async fn resolve(State(routes): State<Routes>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    if let Some(peer) = peer {
        let proxies = &routes.services.config.trusted_proxies;
        let address = of_client(peer.ip(), request.headers(), proxies);
        if address != peer.ip() {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, peer.port())));
            request.extensions_mut().insert(ByProxy);
        }
    }
    next.run(request).await
}

/// A proxy passed the request on: the connection that it came by is not the client's.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByProxy;

/// The address of the client. Only what a trusted proxy added is believed: the last entry that is not a proxy's itself.
/// Everything before it may be the client's own invention.
fn of_client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(&address));
    let mut client = peer.to_canonical();
    if !trusted(client) {
        return peer;
    }
    let told: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .collect();
    for entry in told.iter().rev() {
        let Some(address) = parse(entry.trim()) else {
            break;
        };
        client = address;
        if !trusted(client) {
            break;
        }
    }
    client
}

/// An address, which some proxies give with its port.
fn parse(entry: &str) -> Option<IpAddr> {
    let address = entry.parse().ok().or_else(|| entry.parse().ok().map(|with: SocketAddr| with.ip()));
    let bare = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(bare).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        of_client(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_what_a_trusted_proxy_added_is_believed() {
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
            assert_eq!(client(peer, forwarded), *expected, "{peer} {forwarded:?}");
        }
    }
}
