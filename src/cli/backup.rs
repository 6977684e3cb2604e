//! `fanfare backup` and `fanfare restore`: the embedded store's databases, copied while it serves, and put back.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use fanfare::{
    config::{Config, StoreKind},
    store::sqlite::{self, CopyError},
};
use indicatif::HumanBytes;

/// Options of `fanfare backup`.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The folder to make; it is there only once the copy is whole
    folder: PathBuf,
}

/// Options of `fanfare restore`.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// A folder that `fanfare backup` made
    folder: PathBuf,
    /// Put what the data folder holds into a folder within it, instead of refusing
    #[arg(long)]
    replace: bool,
}

impl Backup {
    pub(super) fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let config = embedded(common)?;
        let bytes = sqlite::backup(&config.data_dir, &self.folder).context("backup")?;
        super::say(&format!("{} hold a copy in {}", HumanBytes(bytes), self.folder.display()))?;
        Ok(())
    }
}

impl Restore {
    pub(super) fn run(self, common: &super::Common) -> anyhow::Result<()> {
        let config = embedded(common)?;
        let dir = config.data_dir.display();
        match sqlite::restore(&self.folder, &config.data_dir, self.replace) {
            Ok(None) => {}
            Ok(Some(aside)) => super::say(&format!("what was there is in {}", aside.display()))?,
            Err(error @ CopyError::Occupied(_)) => {
                bail!("restore: {error}: with --replace it is put aside")
            }
            Err(error) => return Err(error).context("restore"),
        }
        super::say(&format!(
            "restored {} into {dir}; clients will read the newest pages anew",
            self.folder.display()
        ))?;
        Ok(())
    }
}

fn embedded(common: &super::Common) -> anyhow::Result<Config> {
    let config = common.load()?;
    if config.store.kind != StoreKind::Sqlite {
        bail!("store.kind is not `sqlite`: back the database up with its own tools, or use `fanfare export`");
    }
    Ok(config)
}
