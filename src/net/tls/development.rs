//! The development certificate. Browsers accept one by its hash if it is ECDSA, names the host, and is valid for at
//! most two weeks.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use time::OffsetDateTime;

use super::TlsError;
use crate::files;

const DAY: Duration = Duration::from_hours(24);
/// A day below the limit, for clocks that differ.
const VALID: Duration = Duration::from_secs(13 * DAY.as_secs());
/// Renewed when less than this is left, so that a page that is open keeps a valid hash for a while.
const RENEW: Duration = Duration::from_secs(3 * DAY.as_secs());
/// Valid from a little earlier, for clocks that are behind.
const BACKDATE: Duration = Duration::from_hours(1);
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Stands before the certificate, where PEM allows any text.
const UNTIL: &str = "valid until (unix seconds): ";

/// The file, with certificate and key.
pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("development.pem")
}

/// The certificate and key; made first where there is none, or it ends soon.
pub(super) fn read(directory: &Path, now: SystemTime) -> Result<Vec<u8>, TlsError> {
    let path = path(directory);
    let fail = |error| TlsError::Io { path: path.clone(), error };
    match fs::read(&path) {
        Ok(pem) if is_whole(&pem) && until(&pem).is_some_and(|until| fresh(until, now)) => return Ok(pem),
        Ok(pem) if !is_whole(&pem) => {
            tracing::warn!(path = %path.display(), "the development certificate is cut off: another one is made");
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        Ok(_) | Err(_) => {}
    }
    let pem = generate(now)?;
    fs::create_dir_all(directory).map_err(fail)?;
    files::write(&path, pem.as_bytes()).map_err(fail)?;
    Ok(pem.into_bytes())
}

/// Whether a certificate that ends at `until` is still to be used: not nearly over, and not of a future that a clock
/// set back has made.
fn fresh(until: SystemTime, now: SystemTime) -> bool {
    until > now + RENEW && until <= now + VALID
}

fn until(pem: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(pem).ok()?;
    let seconds = text.lines().next()?.strip_prefix(UNTIL)?.parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Whether the file ends as one that was written to its end.
fn is_whole(pem: &[u8]) -> bool {
    pem.trim_ascii_end().ends_with(b"-----END PRIVATE KEY-----")
}

fn generate(now: SystemTime) -> Result<String, TlsError> {
    let from = now - BACKDATE;
    let until = from + VALID;
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Fanfare development");
    params.not_before = OffsetDateTime::from(from);
    params.not_after = OffsetDateTime::from(until);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    let seconds = until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(format!("{UNTIL}{seconds}\n{}{}", certificate.pem(), key.serialize_pem()))
}
