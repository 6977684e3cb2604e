//! `fanfare migrate`.

use anyhow::bail;
use fanfare::{config::StoreKind, server, store::scylla::Scylla};

pub(super) fn run(common: &super::Common) -> anyhow::Result<()> {
    let config = common.load()?;
    if config.store.kind != StoreKind::Scylla {
        bail!("store.kind is not `scylla`: the embedded store brings its files up to date by itself");
    }
    super::serve::log_to_stderr(&config.log)?;
    let (before, after) = Scylla::migrate(server::store::options(&config)?)?;
    let keyspace = &config.store.scylla.keyspace;
    super::say(&if before == after {
        format!("keyspace {keyspace}: schema version {after}, up to date")
    } else {
        format!("keyspace {keyspace}: schema version {before} became {after}")
    })?;
    Ok(())
}
