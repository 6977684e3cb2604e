//! A peer that sends the bytes that it is told to.

use std::{net::Ipv4Addr, sync::Arc};

use quinn::crypto::rustls::QuicClientConfig;
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use web_transport_quinn::proto::{ConnectError, ConnectResponse};

use super::super::{Link, Server};

pub(super) const CONTROL: [u8; 10] = [0x00, 0x04, 0x07, 0x33, 1, 0xab, 0x60, 0x37, 0x42, 1];

/// Takes every certificate: what is tested lies above TLS.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// A QUIC connection that speaks only what it is told to.
pub(super) struct Raw {
    pub(super) quic: quinn::Connection,
    pub(super) endpoint: quinn::Endpoint,
}

/// The session's stream, both ways, and the control stream.
pub(super) type Streams = (quinn::SendStream, quinn::RecvStream, quinn::SendStream);

impl Raw {
    pub(super) async fn connect(server: &Server) -> Self {
        let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer))
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let mut endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(
            QuicClientConfig::try_from(tls).unwrap(),
        )));
        let address = server.endpoint.local_addr().unwrap();
        let quic = endpoint.connect(address, "localhost").unwrap().await.unwrap();
        Self { quic, endpoint }
    }

    pub(super) async fn uni(&self, bytes: &[u8]) -> quinn::SendStream {
        let mut stream = self.quic.open_uni().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    pub(super) async fn bidi(&self, bytes: &[u8]) -> (quinn::SendStream, quinn::RecvStream) {
        let mut stream = self.quic.open_bi().await.unwrap();
        stream.0.write_all(bytes).await.unwrap();
        stream
    }

    /// A session on a connection of its own, and the server's end of it.
    pub(super) async fn begin(server: &Server) -> (Self, Streams, Link) {
        let client = async {
            let raw = Self::connect(server).await;
            let session = raw.session().await;
            (raw, session)
        };
        let ((raw, session), link) = tokio::join!(client, server.accept());
        (raw, session, link.unwrap())
    }

    /// Control stream and session, as every client does it.
    pub(super) async fn session(&self) -> Streams {
        let control = self.uni(&CONTROL).await;
        let (send, mut recv) = self.bidi(&connect("/wt", None)).await;
        assert_eq!(status(&mut recv).await, 200);
        (send, recv, control)
    }
}

/// Header fields without compression, as a HEADERS frame.
fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0, 0];
    for (name, value) in fields {
        match name.len() {
            short @ 0..7 => block.push(0x20 | short as u8),
            long => block.extend_from_slice(&[0x27, (long - 7) as u8]),
        }
        block.extend_from_slice(name.as_bytes());
        block.push(value.len() as u8);
        block.extend_from_slice(value.as_bytes());
    }
    assert!(block.len() < 0x4000);
    let length = (block.len() as u16 | 0x4000).to_be_bytes();
    [&[1, length[0], length[1]], &block[..]].concat()
}

pub(super) fn connect(path: &str, origin: Option<&str>) -> Vec<u8> {
    let mut fields = vec![
        (":method", "CONNECT"),
        (":protocol", "webtransport"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ];
    fields.extend(origin.map(|origin| ("origin", origin)));
    headers(&fields)
}

/// A request for a session with more fields than it needs.
pub(super) fn connect_with(more: &[(&str, &str)]) -> Vec<u8> {
    let own = [
        (":method", "CONNECT"),
        (":protocol", "webtransport"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/wt"),
    ];
    // Those with a colon come first.
    let (pseudo, others): (Vec<_>, Vec<_>) = more.iter().partition(|(name, _)| name.starts_with(':'));
    headers(&own.into_iter().chain(pseudo).chain(others).collect::<Vec<_>>())
}

/// Whether a request was refused: by status 400, or as one that cannot be read.
pub(super) async fn refused(recv: &mut quinn::RecvStream) -> bool {
    let mut first = [0];
    match recv.read_exact(&mut first).await {
        Ok(()) => true,
        Err(quinn::ReadExactError::ReadError(quinn::ReadError::Reset(code))) => code == 0x10e_u32.into(),
        Err(_) => false,
    }
}

pub(super) fn get() -> Vec<u8> {
    headers(&[(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/")])
}

pub(super) async fn status(recv: &mut quinn::RecvStream) -> u16 {
    let mut head = [0; 2];
    recv.read_exact(&mut head).await.unwrap();
    assert_eq!(head[0], 1, "not a HEADERS frame");
    let mut length = usize::from(head[1] & 0x3f);
    if head[1] >= 0x40 {
        let mut low = [0];
        recv.read_exact(&mut low).await.unwrap();
        length = length << 8 | usize::from(low[0]);
    }
    let mut block = vec![0; length];
    recv.read_exact(&mut block).await.unwrap();
    let frame = [&[1, 0x40 | (length >> 8) as u8, length as u8], &block[..]].concat();
    match ConnectResponse::decode(&mut &frame[..]) {
        Ok(response) => response.status.as_u16(),
        Err(ConnectError::WrongStatus(Some(status))) => status.as_u16(),
        Err(error) => panic!("{error}"),
    }
}
