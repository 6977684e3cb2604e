//! `fanfare export` and `fanfare import`: everything that a store keeps, as a file, into another store.

mod compare;
mod export;
mod import;
mod lines;
mod notes;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use fanfare::{
    config::{AtStart, Config},
    id::{Audience, Topic},
    server,
    store::{Committed, Event, Store, scylla::LARGEST},
    time::Clock,
};
use fanfare_proto::Epoch;
use indicatif::{ProgressBar, ProgressStyle};

/// Options of `fanfare export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file to write; an export that was interrupted goes on where it was
    file: PathBuf,
}

/// Options of `fanfare import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// A file that `fanfare export` wrote; an import that was interrupted goes on where it was
    file: PathBuf,
}

impl Export {
    pub(super) async fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let config = common.load()?;
        super::serve::log_to_stderr(&config.log)?;
        let store = open(&config)?;
        let done =
            export::run(&*store, Clock::system().now(), &server::store::name(&config), &self.file).await;
        store.close().await;
        let (total, large) = done?;
        super::say(&format!("exported {total}"))?;
        if large > 0 {
            super::say(&format!(
                "events longer than {LARGEST} bytes, at which an import into `scylla` stops: {large}"
            ))?;
        }
        Ok(())
    }
}

impl Import {
    pub(super) async fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let config = common.load()?;
        super::serve::log_to_stderr(&config.log)?;
        let store = open(&config)?;
        let done =
            import::run(&*store, Clock::system().now(), &server::store::name(&config), &self.file).await;
        store.close().await;
        super::say(&format!("imported and verified {}", done?))?;
        Ok(())
    }
}

/// A person waits: where the database is not there, this is told at once.
fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let mut config = config.clone();
    config.store.scylla.at_start = AtStart::Exit;
    Ok(server::store::open(&config, Arc::new(Nobody))?)
}

/// Nobody is connected.
struct Nobody;

impl Committed for Nobody {
    fn committed(&self, _: &Topic, _: Epoch, _: &Audience, _: &[Event]) {}
}

/// Shows how far it is, on a terminal.
fn bar(bytes: Option<u64>) -> anyhow::Result<ProgressBar> {
    let bar = match bytes {
        Some(bytes) => ProgressBar::new(bytes)
            .with_style(ProgressStyle::with_template("[{bar:24}] {bytes}/{total_bytes}  {eta}  {wide_msg}")?),
        None => ProgressBar::new_spinner()
            .with_style(ProgressStyle::with_template("{spinner} {elapsed_precise}  {wide_msg}")?),
    };
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}
