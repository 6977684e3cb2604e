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
    pub(super) websocket: Option<Place>,
}

/// Where a transport is.
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

/// Asks the server at `base`.
pub(super) async fn fetch(base: &Url, trust: &Trust) -> Result<Places, String> {
    let mut url = base.clone();
    url.path_segments_mut().map_err(|()| "the base URL takes no path")?.pop_if_empty().extend([
        "api",
        "v1",
        "transport",
    ]);
    let (status, body) = get(&url, trust).await?;
    if status != http::StatusCode::OK {
        return Err(format!("{url} answered {status}"));
    }
    read(&body, secure(base)).map_err(|e| format!("{url}: {e}"))
}

async fn get(url: &Url, trust: &Trust) -> Result<(http::StatusCode, Bytes), String> {
    let stream = dial::tcp(url, trust).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let request = http::Request::get(url.path())
        .header(http::header::HOST, url.authority())
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

/// Reads the answer. One that came encrypted never leads to a connection that is not.
fn read(body: &[u8], encrypted: bool) -> Result<Places, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let place = |place: AnswerPlace, schemes: &[&str]| {
        let url = Url::parse(&place.url).map_err(|e| format!("{}: {e}", place.url))?;
        if !schemes.contains(&url.scheme()) {
            return Err(format!("unexpected URL {url}"));
        }
        if encrypted && !secure(&url) {
            return Err(format!("{url} is not encrypted"));
        }
        let hashes = place.certificate_hashes.iter().map(|hex| hash(hex));
        Ok(Place { hashes: hashes.collect::<Result<_, _>>()?, url })
    };
    Ok(Places {
        webtransport: answer.webtransport.map(|p| place(p, &["https"])).transpose()?,
        websocket: answer.websocket.map(|p| place(p, &["ws", "wss"])).transpose()?,
    })
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

    #[test]
    fn reads_both_places() {
        let body = format!(
            r#"{{"webtransport":{{"url":"https://localhost:4433/wt","certificate_hashes":["{}"]}},
                "websocket":{{"url":"ws://localhost:4433/ws"}}}}"#,
            "0a".repeat(32)
        );
        let places = read(body.as_bytes(), false).expect("reads");
        let webtransport = places.webtransport.expect("offered");
        assert_eq!(webtransport.hashes, vec![[10; 32]]);
        assert_eq!(webtransport.url.path(), "/wt");
        assert_eq!(places.websocket.expect("offered").url.scheme(), "ws");
    }

    #[test]
    fn an_encrypted_answer_is_never_downgraded() {
        let body = br#"{"websocket":{"url":"ws://example.org/ws"}}"#;
        assert!(read(body, false).is_ok());
        assert!(read(body, true).is_err());
    }

    #[test]
    fn refuses_what_is_no_hash() {
        for hex in ["", "0a", "zz", "0", &"0a".repeat(33), &"é".repeat(32)] {
            assert!(hash(hex).is_err(), "{hex}");
        }
        assert_eq!(hash(&["AB"; 32].join(":")), Ok([0xab; 32]));
    }
}
