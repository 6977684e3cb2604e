//! Opens the store that the configuration names.

use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::StartError;
use crate::{
    config::{self, AtStart, Config, Invalid, StoreKind},
    store::{Committed, Store, StoreError, scylla, sqlite},
};

/// Opens it. Blocks, for as long as the configuration says where the database is not there.
pub fn open(config: &Config, committed: Arc<dyn Committed>) -> Result<Arc<dyn Store>, StartError> {
    let dir = &config.data_dir;
    // What QUIC remembers is kept there as well, whatever the store.
    sqlite::make_dir(dir).map_err(|error| StoreError::Unavailable(format!("{}: {error}", dir.display())))?;
    match config.store.kind {
        StoreKind::Sqlite => Ok(sqlite::Sqlite::open(dir, committed, &sqlite::Options::default())?),
        StoreKind::Scylla => Ok(scylla::Scylla::open(options(config)?, committed)?),
    }
}

/// A server has been here before, but its database has not: nobody wants to begin anew then, except with another store in
/// mind, such as for an import.
pub fn check_folder(config: &Config) -> Result<(), StartError> {
    match config.store.kind {
        StoreKind::Sqlite => Ok(sqlite::check_beside(&config.data_dir, super::quic::KEY)?),
        StoreKind::Scylla => Ok(()),
    }
}

/// What it is called, in messages.
pub fn name(config: &Config) -> String {
    match config.store.kind {
        StoreKind::Sqlite => format!("the embedded store in {}", config.data_dir.display()),
        StoreKind::Scylla => format!("keyspace {}", config.store.scylla.keyspace),
    }
}

/// The settings of the CQL database as its backend takes them.
pub fn options(config: &Config) -> Result<scylla::Options, Invalid> {
    let set = &config.store.scylla;
    let ms = Duration::from_millis;
    Ok(scylla::Options {
        nodes: set.nodes.clone(),
        keyspace: set.keyspace.clone(),
        create: set.create.then(|| set.replication.clone()),
        datacenter: set.datacenter.clone(),
        credentials: set.credentials()?,
        tls: tls(set)?,
        start: match set.at_start {
            AtStart::Retry => scylla::Start::Retry,
            AtStart::Exit => scylla::Start::Exit,
        },
        connect: ms(set.connect_timeout_ms),
        data: ms(set.data_timeout_ms),
        ticks: ms(set.ticks_timeout_ms),
        cas: ms(set.cas_timeout_ms),
        append: ms(set.append_timeout_ms),
        waiting: set.waiting,
        waiting_bytes: set.waiting_bytes,
        in_flight: set.in_flight,
        bucket_events: set.bucket_events,
        bucket_bytes: set.bucket_bytes,
        fix_days: config.retention.fix_days,
        short_fix_days: config.retention.short_fix_days,
        long_fix_days: config.retention.long_fix_days,
        ..scylla::Options::default()
    })
}

fn tls(set: &config::Scylla) -> Result<Option<Arc<ClientConfig>>, Invalid> {
    let Some(authority) = &set.tls_authority else { return Ok(None) };
    let key = "store.scylla.tls_authority";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, authority)? {
        roots.add(certificate).map_err(|error| content(key, &error))?;
    }
    let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| content(key, &error))?
        .with_root_certificates(roots);
    let config = match (&set.tls_certificate, &set.tls_key) {
        (Some(chain), Some(path)) => {
            let chain = certificates("store.scylla.tls_certificate", chain)?;
            let key = "store.scylla.tls_key";
            let pem = config::Scylla::pem(key, path)?;
            let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| content(key, &error))?;
            builder.with_client_auth_cert(chain, private).map_err(|error| content(key, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Some(Arc::new(config)))
}

fn certificates(key: &'static str, path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, Invalid> {
    let pem = config::Scylla::pem(key, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| content(key, &error))?;
    if certificates.is_empty() { Err(content(key, &"it holds no certificate")) } else { Ok(certificates) }
}

fn content(key: &'static str, problem: &dyn std::fmt::Display) -> Invalid {
    Invalid::Content { key: key.into(), problem: problem.to_string() }
}
