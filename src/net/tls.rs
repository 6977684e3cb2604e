//! Who the server is: its certificate, for QUIC and TCP alike, replaced while running.

mod development;
mod files;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use ::aws_lc_rs::digest;
use arc_swap::ArcSwap;
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

/// How often the files are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The TLS library refused its configuration.
    #[error("TLS configuration: {0}")]
    Config(String),
}

/// The server's certificate and key, as they are now.
#[derive(Debug)]
pub struct Identity {
    source: Source,
    /// What the present key was read from. Locked while the files are looked at.
    seen: Mutex<Vec<u8>>,
    key: ArcSwap<CertifiedKey>,
}

#[derive(Debug)]
enum Source {
    Files { chain: PathBuf, key: PathBuf },
    Development { directory: PathBuf },
}

/// A key with what it was read from.
struct Loaded {
    key: CertifiedKey,
    seen: Vec<u8>,
}

impl Identity {
    /// A certificate chain and its key, both PEM.
    pub fn from_files(chain: PathBuf, key: PathBuf) -> Result<Arc<Self>, TlsError> {
        Self::new(Source::Files { chain, key }, SystemTime::now())
    }

    /// A certificate for this machine only, kept in `directory` and made anew before it ends. Browsers take it by its
    /// hash, see [`hashes`](Self::hashes).
    pub fn development(directory: PathBuf, now: SystemTime) -> Result<Arc<Self>, TlsError> {
        Self::new(Source::Development { directory }, now)
    }

    fn new(source: Source, now: SystemTime) -> Result<Arc<Self>, TlsError> {
        let Loaded { key, seen } = source.load(now)?;
        Ok(Arc::new(Self { source, seen: Mutex::new(seen), key: ArcSwap::from_pointee(key) }))
    }

    /// Whether this is a development certificate.
    pub fn is_development(&self) -> bool {
        matches!(self.source, Source::Development { .. })
    }

    /// SHA-256 of the certificate, as `serverCertificateHashes` of browsers wants it. Only for a development
    /// certificate: browsers refuse the hash of one that an authority signed.
    pub fn hashes(&self) -> Vec<[u8; 32]> {
        if !self.is_development() {
            return Vec::new();
        }
        let key = self.key.load();
        let digest = |der: &[u8]| digest::digest(&digest::SHA256, der);
        key.cert.first().and_then(|der| digest(der).as_ref().try_into().ok()).into_iter().collect()
    }

    /// Looks whether there is a newer certificate, and takes it: true when it did. A bad file changes nothing.
    pub fn refresh(&self, now: SystemTime) -> Result<bool, TlsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let present = self.source.read(now)?;
        if *seen == present {
            return Ok(false);
        }
        let loaded = self.source.load(now)?;
        self.key.store(Arc::new(loaded.key));
        *seen = loaded.seen;
        Ok(true)
    }

    /// Refreshes every few seconds, for as long as the future lives.
    pub async fn watch(self: Arc<Self>) {
        let mut said = String::new();
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            let identity = Arc::clone(&self);
            let refreshed = tokio::task::spawn_blocking(move || identity.refresh(SystemTime::now())).await;
            match refreshed {
                Ok(Ok(true)) => tracing::info!("took a new certificate"),
                Ok(Ok(false)) => said.clear(),
                // The same problem is told once.
                Ok(Err(error)) if error.to_string() != said => {
                    said = error.to_string();
                    tracing::error!(%error, "the certificate in use stays");
                }
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// The TLS configuration for TCP: 1.3, or 1.2, which some proxies speak to servers unless told otherwise; HTTP/1.1.
    pub fn tcp(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        self.config(b"http/1.1", &[&TLS13, &TLS12])
    }

    /// The TLS configuration for QUIC: HTTP/3.
    pub fn quic(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        self.config(b"h3", &[&TLS13])
    }

    fn config(
        self: &Arc<Self>,
        protocol: &[u8],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<ServerConfig, TlsError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|e| TlsError::Config(e.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.load_full())
    }
}

impl Source {
    /// What the files hold, to tell whether they changed. Makes a development certificate that is due.
    fn read(&self, now: SystemTime) -> Result<Vec<u8>, TlsError> {
        match self {
            Self::Files { chain, key } => files::read(chain, key),
            Self::Development { directory } => development::read(directory, now),
        }
    }

    fn load(&self, now: SystemTime) -> Result<Loaded, TlsError> {
        let seen = self.read(now)?;
        let path = match self {
            Self::Files { chain, .. } => chain.clone(),
            Self::Development { directory } => development::path(directory),
        };
        let key = files::parse(&seen).map_err(|problem| TlsError::Content { path, problem })?;
        Ok(Loaded { key, seen })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
