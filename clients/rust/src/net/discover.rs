//! Asks the server where its transports are: `GET {base}/api/v1/transport`.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use url::Url;

use super::{
    dial::{self, secure},
    tls::{Hash, Trust},
};

/// Largest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Where the transports are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) webtransport: Option<Place>,
    /// In the order in which they are tried. The last is derived from the base URL: who was reached there answers there.
    pub(super) websocket: Vec<Url>,
}

/// Where WebTransport is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) url: Url,
    /// The certificates to trust; none: those of a known authority.
    pub(super) hashes: Vec<Hash>,
}

#[derive(Deserialize)]
struct Answer {
    webtransport: Option<AnswerPlace>,
    websocket: Option<AnswerPlace>,
}

#[derive(Deserialize)]
struct AnswerPlace {
    url: String,
    #[serde(default)]
    certificate_hashes: Vec<String>,
}

/// Asks the server at `base`. Of other hosts than that one only `allowed` ones are believed.
pub(super) async fn fetch(base: &Url, allowed: &[String], trust: &Trust) -> Result<Places, String> {
    let url = below(base, &["api", "v1", "transport"])?;
    let (status, body) = get(&url, trust).await?;
    if status != http::StatusCode::OK {
        return Err(format!("{url} answered {status}"));
    }
    read(&body, base, allowed)
}

/// A path of the server's, behind whatever path the base URL has.
fn below(base: &Url, path: &[&str]) -> Result<Url, String> {
    let mut url = base.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.path_segments_mut().map_err(|()| "the base URL takes no path")?.pop_if_empty().extend(path);
    Ok(url)
}

async fn get(url: &Url, trust: &Trust) -> Result<(http::StatusCode, Bytes), String> {
    let stream = dial::tcp(url, trust).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let request = http::Request::get(url.path())
        .header(http::header::HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| e.to_string())?;
    let exchange = async move {
        let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|e| e.to_string())?;
        Ok((status, body.to_bytes()))
    };
    // Dropping the connection once the exchange is done closes it, whether or not the server does.
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

/// Reads the answer. What of it cannot be used is left out: the WebSocket's address is known without it.
fn read(body: &[u8], base: &Url, allowed: &[String]) -> Result<Places, String> {
    let answer: Answer = serde_json::from_slice(body).unwrap_or_else(|error| {
        tracing::warn!(%error, %base, "what the server says of its addresses cannot be read");
        Answer { webtransport: None, websocket: None }
    });
    let place = |place: AnswerPlace, scheme| {
        let url = place.url.clone();
        checked(&place, scheme, base, allowed)
            .inspect_err(
                |why| tracing::warn!(url, %base, why, "an address that the server names is not used"),
            )
            .ok()
    };
    let derived = websocket(base)?;
    let told = answer.websocket.and_then(|told| place(told, Scheme::WebSocket)).map(|told| told.url);
    let mut websocket: Vec<_> = told.into_iter().filter(|told| *told != derived).collect();
    websocket.push(derived);
    let webtransport = answer.webtransport.and_then(|told| place(told, Scheme::WebTransport));
    Ok(Places { webtransport, websocket })
}

/// The WebSocket at a base URL.
fn websocket(base: &Url) -> Result<Url, String> {
    let scheme = if secure(base) { "wss" } else { "ws" };
    let mut url = below(base, &["ws"])?;
    url.set_scheme(scheme).map_err(|()| "the base URL is not one of HTTP")?;
    Ok(url)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    WebTransport,
    WebSocket,
}

/// An address that the server names. It is never less protected than the one that the program gave, and of another host
/// only where the program named that one.
fn checked(place: &AnswerPlace, scheme: Scheme, base: &Url, allowed: &[String]) -> Result<Place, String> {
    let url = Url::parse(&place.url).map_err(|e| e.to_string())?;
    let known = match scheme {
        Scheme::WebTransport => url.scheme() == "https",
        Scheme::WebSocket => matches!(url.scheme(), "ws" | "wss"),
    };
    if !known {
        return Err("unexpected scheme".to_owned());
    }
    if secure(base) && !secure(&url) {
        return Err("it is not encrypted, as the base URL is".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let named = allowed.iter().any(|allowed| bare(allowed) == bare(host));
    if !named && !same_host(&url, base) {
        return Err(
            "it is on another host than the base URL, and the program has not allowed that one".to_owned()
        );
    }
    let prefix = base.path().trim_end_matches('/');
    let below = url.path().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    if scheme == Scheme::WebSocket && !named && !below {
        return Err("it is not below the path of the base URL".to_owned());
    }
    let hashes = place.certificate_hashes.iter().map(|hex| hash(hex));
    Ok(Place { hashes: hashes.collect::<Result<_, _>>()?, url })
}

/// Whether both are on one host. This machine has several names.
fn same_host(one: &Url, other: &Url) -> bool {
    let this_machine = |url: &Url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    one.host() == other.host() || this_machine(one) && this_machine(other)
}

fn hash(hex: &str) -> Result<Hash, String> {
    let bad = || format!("{hex:?} is no SHA-256 in hexadecimal");
    let digits: Vec<u8> = hex
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect::<Option<_>>()
        .ok_or_else(bad)?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if !digits.len().is_multiple_of(2) {
        return Err(bad());
    }
    Hash::try_from(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(webtransport: &str, websocket: &str) -> Vec<u8> {
        let hash = "0a".repeat(32);
        format!(
            r#"{{"webtransport":{{"url":"{webtransport}","certificate_hashes":["{hash}"]}},
                "websocket":{{"url":"{websocket}"}}}}"#
        )
        .into_bytes()
    }

    /// Where WebTransport is, and where WebSockets are tried.
    fn places(base: &str, allowed: &[&str], body: &[u8]) -> (Option<String>, Vec<String>) {
        let allowed: Vec<_> = allowed.iter().map(|host| (*host).to_owned()).collect();
        let places = read(body, &base.parse().unwrap(), &allowed).unwrap();
        let webtransport = places.webtransport.map(|place| place.url.to_string());
        (webtransport, places.websocket.iter().map(Url::to_string).collect())
    }

    #[test]
    fn reads_both_places() {
        let body = told("https://localhost:4433/wt", "ws://localhost:4433/ws");
        let base = "http://localhost:4433".parse().unwrap();
        let places = read(&body, &base, &[]).expect("reads");
        let webtransport = places.webtransport.expect("offered");
        assert_eq!(webtransport.hashes, vec![[10; 32]]);
        assert_eq!(webtransport.url.path(), "/wt");
        assert_eq!(places.websocket, ["ws://localhost:4433/ws".parse().unwrap()]);
    }

    #[test]
    fn what_is_named_is_never_weaker_and_never_elsewhere() {
        let derived = |url: &str| (None, vec![url.to_owned()]);
        let cases = [
            (
                "https://a.example",
                "https://b.example:1/wt",
                "wss://b.example/ws",
                derived("wss://a.example/ws"),
            ),
            ("https://a.example", "http://a.example/wt", "ws://a.example/ws", derived("wss://a.example/ws")),
            ("http://a.example:81", "x", "https://a.example/ws", derived("ws://a.example:81/ws")),
            ("http://a.example", "", "ws://127.0.0.1/ws", derived("ws://a.example/ws")),
            // Stronger, or another port.
            (
                "http://a.example",
                "https://a.example:4433/wt",
                "wss://a.example/ws",
                (
                    Some("https://a.example:4433/wt".to_owned()),
                    vec!["wss://a.example/ws".to_owned(), "ws://a.example/ws".to_owned()],
                ),
            ),
            (
                "http://localhost:4433",
                "https://127.0.0.1:4433/wt",
                "ws://localhost:4433/ws",
                (Some("https://127.0.0.1:4433/wt".to_owned()), vec!["ws://localhost:4433/ws".to_owned()]),
            ),
            // A proxy that takes a path off says nothing of it, perhaps.
            ("https://a.example/rt/", "", "wss://a.example/ws", derived("wss://a.example/rt/ws")),
            ("https://a.example/rt", "", "wss://a.example/rt/ws", derived("wss://a.example/rt/ws")),
            ("https://a.example/rt", "", "wss://a.example/rtx/ws", derived("wss://a.example/rt/ws")),
        ];
        for (base, webtransport, websocket, expected) in cases {
            assert_eq!(places(base, &[], &told(webtransport, websocket)), expected, "{base} {websocket}");
        }
        for body in [&b""[..], b"<html>", b"{}", br#"{"websocket":{"url":7}}"#] {
            assert_eq!(places("https://a.example", &[], body), derived("wss://a.example/ws"));
        }
    }

    #[test]
    fn the_program_may_allow_another_host() {
        let body = told("https://quic.example/wt", "wss://socket.example/x");
        let (webtransport, websocket) =
            places("https://a.example/rt", &["QUIC.example", "socket.example"], &body);
        assert_eq!(webtransport.as_deref(), Some("https://quic.example/wt"));
        assert_eq!(websocket, ["wss://socket.example/x", "wss://a.example/rt/ws"]);
        // An IPv6 address, which a URL writes in brackets.
        let body = told("https://[2001:db8::1]:4433/wt", "wss://[2001:db8::2]/x");
        for named in [["2001:db8::1", "2001:DB8::2"], ["[2001:db8::1]", "[2001:db8::2]"]] {
            let (webtransport, websocket) = places("https://a.example", &named, &body);
            assert_eq!(webtransport.as_deref(), Some("https://[2001:db8::1]:4433/wt"));
            assert_eq!(websocket[0], "wss://[2001:db8::2]/x");
        }
        let weaker = told("", "ws://socket.example/ws");
        assert_eq!(places("https://a.example", &["socket.example"], &weaker).1, ["wss://a.example/ws"]);
    }

    #[test]
    fn refuses_what_is_no_hash() {
        for hex in ["", "0a", "zz", "0", &"0a".repeat(33), &"é".repeat(32)] {
            assert!(hash(hex).is_err(), "{hex}");
        }
        assert_eq!(hash(&["AB"; 32].join(":")), Ok([0xab; 32]));
    }
}
