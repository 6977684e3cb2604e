//! Whether a configuration would do, found out without opening or making anything.

use super::{StartError, store};
use crate::{
    config::{Config, StoreKind},
    net::tls::Identity,
};

/// Reads every key and certificate that the configuration names, as a start would. Answers what is allowed, but may not be
/// what was meant.
pub fn check(config: &Config) -> Result<Vec<String>, StartError> {
    config.verifier()?;
    if let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) {
        Identity::from_files(certificate.clone(), key.clone())?;
    }
    if config.store.kind == StoreKind::Scylla {
        store::options(config)?;
    }
    Ok(config.wide_roles())
}
