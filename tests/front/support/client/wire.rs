//! The two transports of the plain client: how it connects, and how it reads what comes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{Bytes, BytesMut};
use fanfare_proto::{
    deflate,
    frame::{self, Content},
};
use futures::StreamExt;
use http::HeaderMap;
use serde_json::Value;
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig},
};
use web_transport_quinn::{
    ClientError, RecvStream, SendStream, Session, SessionError, WebTransportError, quinn,
};

use super::Got;

/// The way out.
pub(super) enum Out {
    WebTransport {
        session: Session,
        endpoint: quinn::Endpoint,
        commands: SendStream,
        urgent: Option<SendStream>,
    },
    WebSocket(futures::stream::SplitSink<WebSocketStream<MaybeTlsStream<TcpStream>>, Message>),
}

/// What has come.
#[derive(Default)]
pub(super) struct Tally {
    /// Events that were compressed.
    pub(super) compressed: AtomicUsize,
    /// Bytes of all events as they came.
    pub(super) bytes: AtomicUsize,
}

impl Tally {
    fn count(&self, bytes: &[u8]) {
        self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
    }
}

pub async fn write_frame(stream: &mut SendStream, event: &[u8]) {
    let mut out = BytesMut::new();
    frame::encode(event, &mut out);
    let _ = stream.write_all(&out).await;
}

pub(super) type Opened = Result<(Out, Vec<tokio::task::JoinHandle<()>>), String>;

pub(super) async fn web_transport(
    told: &Value,
    headers: HeaderMap,
    sender: &mpsc::UnboundedSender<Got>,
    tally: &Arc<Tally>,
) -> Opened {
    let (session, endpoint) = open_session_on(told, headers).await.map_err(|e| e.to_string())?;
    let (commands, _) = session.open_bi().await.unwrap();
    let lanes = {
        let (session, sender, tally) = (session.clone(), sender.clone(), tally.clone());
        tokio::spawn(async move {
            let mut readers = tokio::task::JoinSet::new();
            for _ in 0..2 {
                let Ok(stream) = session.accept_uni().await else {
                    break;
                };
                readers.spawn(read_lane(stream, sender.clone(), tally.clone()));
            }
            readers.join_all().await;
            let (code, reason) = close_of(session.closed().await);
            let _ = sender.send(Got::Closed(code, reason));
        })
    };
    let datagrams = {
        let (session, sender) = (session.clone(), sender.clone());
        tokio::spawn(async move {
            while let Ok(datagram) = session.read_datagram().await {
                let _ = sender.send(Got::Ticks(datagram));
            }
        })
    };
    Ok((Out::WebTransport { session, endpoint, commands, urgent: None }, vec![lanes, datagrams]))
}

pub async fn open_session(told: &Value) -> Result<Session, ClientError> {
    open_session_on(told, HeaderMap::new()).await.map(|(session, _)| session)
}

/// A session on an endpoint of its own.
async fn open_session_on(
    told: &Value,
    headers: HeaderMap,
) -> Result<(Session, quinn::Endpoint), ClientError> {
    let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let client = web_transport_quinn::Client::new(endpoint.clone(), quic_config(told));
    let url: url::Url = told["webtransport"]["url"].as_str().unwrap().parse().unwrap();
    let request = web_transport_quinn::proto::ConnectRequest::new(url).with_headers(headers);
    Ok((client.connect(request).await?, endpoint))
}

/// Trusts the certificates that the server tells of, and no other.
pub fn quic_config(told: &Value) -> quinn::ClientConfig {
    let hashes = told["webtransport"]["certificate_hashes"].as_array().unwrap();
    let hashes = hashes.iter().map(|hash| unhex(hash.as_str().unwrap())).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { provider, hashes }))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let quic = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    quinn::ClientConfig::new(Arc::new(quic))
}

#[derive(Debug)]
struct Pinned {
    provider: Arc<rustls::crypto::CryptoProvider>,
    hashes: Vec<Vec<u8>>,
}

impl rustls::client::danger::ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        use sha2::Digest;
        let hash = sha2::Sha256::digest(certificate).to_vec();
        if self.hashes.contains(&hash) {
            return Ok(rustls::client::danger::ServerCertVerified::assertion());
        }
        Err(rustls::Error::General("not the pinned certificate".into()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

pub fn close_of(error: SessionError) -> (u32, String) {
    match error {
        SessionError::WebTransportError(WebTransportError::Closed(code, reason)) => (code, reason),
        other => (0, other.to_string()),
    }
}

async fn read_lane(mut stream: RecvStream, sender: mpsc::UnboundedSender<Got>, tally: Arc<Tally>) {
    let mut lane = [0];
    if stream.read_exact(&mut lane).await.is_err() {
        return;
    }
    let mut buffer = BytesMut::new();
    while let Ok(Some(chunk)) = stream.read_chunk(64 * 1024, true).await {
        buffer.extend_from_slice(&chunk.bytes);
        while let Some(content) = frame::decode(&mut buffer, frame::MAX_SENT).unwrap() {
            let event = match content {
                Content::Text(text) => {
                    tally.count(&text);
                    text
                }
                Content::Compressed(bytes) => inflate(&bytes, &tally),
            };
            let _ = sender.send(Got::Event(lane[0], serde_json::from_slice(&event).unwrap()));
        }
    }
}

/// What the server compresses is larger than it lets on, and not larger than what it sends.
fn inflate(bytes: &[u8], tally: &Tally) -> Bytes {
    let text = deflate::inflate(bytes, frame::MAX_SENT).unwrap();
    assert!(text.len() > bytes.len());
    tally.count(bytes);
    tally.compressed.fetch_add(1, Ordering::Relaxed);
    text.into()
}

pub(super) async fn web_socket(
    told: &Value,
    headers: HeaderMap,
    sender: mpsc::UnboundedSender<Got>,
    tally: Arc<Tally>,
) -> Opened {
    let mut request = told["websocket"]["url"].as_str().unwrap().into_client_request().unwrap();
    request.headers_mut().extend(headers);
    let config = WebSocketConfig::default().max_message_size(Some(64 * 1024 * 1024));
    let connected = tokio_tungstenite::connect_async_with_config(request, Some(config), true).await;
    let (socket, _) = connected.map_err(|e| e.to_string())?;
    let (sink, mut stream) = socket.split();
    let reader = tokio::spawn(async move {
        while let Some(message) = stream.next().await {
            let got = match message {
                Ok(Message::Text(text)) => {
                    tally.count(text.as_bytes());
                    Got::Event(0, serde_json::from_str(&text).unwrap())
                }
                Ok(Message::Binary(bytes)) if bytes.first() == Some(&deflate::MARK) => {
                    Got::Event(0, serde_json::from_slice(&inflate(&bytes[1..], &tally)).unwrap())
                }
                Ok(Message::Binary(packet)) => Got::Ticks(packet),
                Ok(Message::Close(Some(close))) => {
                    Got::Closed(u16::from(close.code).into(), close.reason.to_string())
                }
                Ok(Message::Close(None)) => Got::Closed(0, String::new()),
                Ok(_) => continue,
                Err(error) => Got::Closed(0, error.to_string()),
            };
            let over = matches!(got, Got::Closed(..));
            let _ = sender.send(got);
            if over {
                break;
            }
        }
    });
    Ok((Out::WebSocket(sink), vec![reader]))
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
