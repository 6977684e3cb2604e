//! How far an export or import has got, in a file beside its own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use fanfare::{
    files,
    store::transfer::{Place, Total},
};
use fanfare_proto::UnixMs;
use serde::{Deserialize, Serialize};

/// What is needed to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Notes {
    /// Out of or into which store: notes on one are worth nothing for another.
    pub(super) store: String,
    /// When the export began.
    pub(super) at: UnixMs,
    /// Bytes of the file that are done.
    pub(super) bytes: u64,
    /// The rows in them.
    pub(super) total: Total,
    /// Where an export goes on; `None` when all but its last line is written.
    pub(super) place: Option<Place>,
}

/// `file` with something behind its name.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Notes {
    /// Those of an earlier run, if there are any.
    pub(super) fn read(path: &Path, store: &str) -> anyhow::Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let notes: Self = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
        anyhow::ensure!(
            notes.store == store,
            "{} is of a run with another store ({}): remove it to begin anew",
            path.display(),
            notes.store
        );
        Ok(Some(notes))
    }

    /// Replaces them, all or nothing.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        files::write(path, &serde_json::to_vec(self)?).with_context(|| path.display().to_string())
    }
}
