use axum::http::HeaderValue;

use super::*;

fn read_as(
    kind: ForwardedHeaders,
    peer: &str,
    lines: &[(&'static str, &[u8])],
) -> Result<Option<Forwarded>, Unclear> {
    let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    Forwarded::read(peer.parse().unwrap(), &headers, &proxies, kind)
}

fn read(peer: &str, lines: &[(&'static str, &str)]) -> Option<Forwarded> {
    let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    read_as(ForwardedHeaders::Any, peer, &lines).unwrap()
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
        ("10.0.0.1", &["nonsense, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["198.51.100.1, _hidden:_port, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("::ffff:10.0.0.1", &["198.51.100.1:5555"], "198.51.100.1"),
        ("2001:db8::1", &["[2001:470::7]:443"], "2001:470::7"),
        ("2001:db8::1", &["[2001:470::7]"], "2001:470::7"),
        ("2001:db8::1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ("2001:db8::1", &["fe80::1%eth0"], "fe80::1"),
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
        ("for=nonsense, for=198.51.100.1:_port, for=10.0.0.2:80", "198.51.100.1"),
        ("for=1.2.3.4;x=\"a, \\\" b\", for=198.51.100.1", "198.51.100.1"),
        ("for=198.51.100.1, proto=https", "10.0.0.1"),
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
    ];
    for (lines, (https, host, port, prefix)) in cases {
        let read = read("10.0.0.1", lines).unwrap();
        let authority = host.map(|host| Authority::parse(host).unwrap());
        let expected = (*https, authority, *port, (*prefix).to_owned());
        assert_eq!((read.https, read.authority, read.port, read.prefix), expected, "{lines:?}");
        assert_eq!(self::read("192.0.2.1", lines), None, "{lines:?}");
    }
}

/// The client is never taken to be the proxy because of what it wrote itself.
#[test]
fn what_a_proxy_cannot_have_meant_is_refused() {
    const X: &str = "x-forwarded-for";
    const RFC: &str = "forwarded";
    type Lines<'a> = &'a [(&'static str, &'a [u8])];
    let cases: &[(Lines<'_>, Unclear)] = &[
        (&[(X, b"198.51.100.1, nonsense")], Unclear::For),
        (&[(X, b"198.51.100.1, nonsense, 10.0.0.2")], Unclear::For),
        (&[(X, b"198.51.100.1, \xff")], Unclear::For),
        (&[(X, b"198.51.100.1, ")], Unclear::For),
        (&[(X, b"198.51.100.1"), (X, b"")], Unclear::For),
        (&[(X, b"198.51.100.1:port")], Unclear::For),
        (&[(RFC, b"for=1.2.3.4;host=evil;x=\""), (RFC, b"for=198.51.100.1;proto=https")], Unclear::Forwarded),
        (&[(RFC, b"for=1.2.3.4;x=\", for=198.51.100.1;proto=https")], Unclear::Forwarded),
        (&[(RFC, b"for=198.51.100.1, for=nonsense")], Unclear::Forwarded),
        (&[(RFC, b"for=198.51.100.1,")], Unclear::Forwarded),
        (&[(RFC, b"for=198.51.100.1, for=\"\xff\"")], Unclear::Forwarded),
        (&[(RFC, b"for=198.51.100.1"), ("x-forwarded-prefix", b"/")], Unclear::Both),
        (&[(X, b"198.51.100.1"), (RFC, b"")], Unclear::Both),
    ];
    for (lines, expected) in cases {
        assert_eq!(read_as(ForwardedHeaders::Any, "10.0.0.1", lines), Err(*expected), "{lines:?}");
        assert_eq!(read_as(ForwardedHeaders::Any, "192.0.2.1", lines), Ok(None), "{lines:?}");
    }
}

#[test]
fn bytes_of_a_client_spoil_only_what_it_wrote() {
    for lines in [
        &[("x-forwarded-for", &b"\xff, 198.51.100.1"[..])][..],
        &[("x-forwarded-for", b"\xff"), ("x-forwarded-for", b"198.51.100.1")],
        &[("forwarded", b"for=\"\xff\", for=198.51.100.1")],
    ] {
        let read = read_as(ForwardedHeaders::Any, "10.0.0.1", lines).unwrap().unwrap();
        assert_eq!(read.client, Some("198.51.100.1".parse().unwrap()), "{lines:?}");
    }
    let hosts = [("x-forwarded-for", &b"198.51.100.1"[..]), ("x-forwarded-host", b"\xff, a.example")];
    let read = read_as(ForwardedHeaders::Any, "10.0.0.1", &hosts).unwrap().unwrap();
    assert_eq!(read.authority, Authority::parse("a.example"));
}

/// Where it is known which kind the proxy writes, the other is a client's, or nobody's.
#[test]
fn one_kind_alone_is_read_where_it_is_said_which() {
    let both: &[(&'static str, &[u8])] =
        &[("x-forwarded-for", b"198.51.100.1"), ("forwarded", b"for=198.51.100.2;x=\"")];
    let client = |kind, lines| read_as(kind, "10.0.0.1", lines).map(|read| read.unwrap().client);
    assert_eq!(client(ForwardedHeaders::XForwarded, both), Ok(Some("198.51.100.1".parse().unwrap())));
    assert_eq!(client(ForwardedHeaders::Forwarded, both), Err(Unclear::Forwarded));
    assert_eq!(client(ForwardedHeaders::Forwarded, &both[..1]), Ok(None));
    assert_eq!(client(ForwardedHeaders::XForwarded, &both[1..]), Ok(None));
}
