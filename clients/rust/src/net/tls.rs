//! Whom the client believes to be the server.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// The certificates that are trusted, and the cryptography in use.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

/// SHA-256 of a certificate's DER form.
pub(super) type Hash = [u8; 32];

impl Trust {
    /// The system's certificates and `more`. Reads files.
    pub(super) fn load(more: &[CertificateDer<'static>]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::debug!(%error, "a system certificate cannot be read");
        }
        roots.add_parsable_certificates(system.certs);
        for certificate in more {
            roots.add(certificate.clone()).map_err(|e| format!("certificate: {e}"))?;
        }
        Ok(Self { roots: Arc::new(roots), provider: Arc::new(aws_lc_rs::default_provider()) })
    }

    /// For TCP.
    pub(super) fn tls(&self) -> Result<ClientConfig, rustls::Error> {
        let config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        Ok(config)
    }

    /// For QUIC. With `pinned` hashes these certificates are trusted and no others.
    pub(super) fn quic(&self, pinned: &[Hash]) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?;
        let mut config = if pinned.is_empty() {
            builder.with_root_certificates(self.roots.clone()).with_no_client_auth()
        } else {
            let pinned = Pinned { hashes: pinned.to_vec(), provider: self.provider.clone() };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned)).with_no_client_auth()
        };
        config.alpn_protocols = vec![web_transport_quinn::ALPN.into()];
        Ok(config)
    }
}

/// Trusts certificates by their hash, as browsers do with `serverCertificateHashes`. The handshake's signature is
/// checked as usual: knowing a certificate is not owning its key.
#[derive(Debug)]
struct Pinned {
    hashes: Vec<Hash>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let hash = web_transport_quinn::crypto::sha256(&self.provider, certificate);
        if self.hashes.iter().any(|pinned| pinned == hash.as_ref()) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
