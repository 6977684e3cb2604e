//! What strangers say becomes no line of the log, and nothing that a terminal obeys.

use std::sync::Arc;

use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serde_json::Value;
use web_transport_quinn::quinn::{self, crypto::rustls::QuicClientConfig};

use crate::support::{
    harness::{Process, http_get},
    udp_proxy::udp,
    until::until,
};

const FORGED: &str = "x\n2000-01-01T00:00:00.000000Z  INFO session: user=\"eve\" forged\r\u{1b}[2J";

/// Takes no certificate, and gives a reason of its own: QUIC closes with it.
#[derive(Debug)]
struct Talks;

impl ServerCertVerifier for Talks {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Err(rustls::Error::General(format!("{FORGED}{}", "y".repeat(500))))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("the certificate comes first")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("the certificate comes first")
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[tokio::test]
async fn a_reason_to_close_stays_within_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path()).await;
    let told: Value = serde_json::from_str(&http_get(&server.base, "/api/v1/transport").await).unwrap();
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Talks))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    endpoint.connect_with(config, udp(&told), "localhost").unwrap().await.unwrap_err();
    until("it is in the log", async || server.log().iter().any(|line| line.contains("tls handshake"))).await;
    // Another line, of which it is known that it comes behind.
    let method = "M".repeat(4000);
    let odd = format!("/no-such-{}", "z".repeat(500));
    let answer = crate::support::harness::ask(&server.base, &method, &odd, &[], "").await;
    assert_eq!(answer.status, 405);
    until("so is this", async || server.log().iter().any(|line| line.contains("/no-such-"))).await;
    for line in server.log() {
        assert!(!line.starts_with("2000"), "{line:?}");
        assert!(!line.contains(['\u{1b}', '\r']), "{line:?}");
        assert!(line.len() < 1000, "{line:?}");
    }
    let line = server.log().into_iter().find(|line| line.contains("tls handshake")).unwrap();
    assert!(line.contains(r"x\n2000-01-01"), "{line:?}");
    server.stop().await;
}
