//! Certificates and keys as PEM.

use std::{fs, path::Path};

use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::{TlsError, provider};

/// Both files, one after the other.
pub(super) fn read(chain: &Path, key: &Path) -> Result<Vec<u8>, TlsError> {
    let read = |path: &Path| fs::read(path).map_err(|error| TlsError::Io { path: path.to_owned(), error });
    let mut pem = read(chain)?;
    pem.push(b'\n');
    pem.extend_from_slice(&read(key)?);
    Ok(pem)
}

/// The chain and the key within `pem`. They must belong together: files replaced one by one do not, for a moment.
pub(super) fn parse(pem: &[u8]) -> Result<CertifiedKey, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|e| format!("certificate: {e}"))?;
    if chain.is_empty() {
        return Err("there is no certificate".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|e| format!("key: {e}"))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|e| e.to_string())
}
