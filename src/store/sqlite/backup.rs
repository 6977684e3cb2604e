//! Copies of a running database.

use std::{fs::File, path::Path};

use rusqlite::Connection;

use super::file;
use crate::store::StoreError;

/// Copies the file of `connection`, which must not be in a transaction, to `path`, runs `sql` on the copy, and sees
/// to it that the copy is on the disk. Fails if there is something at `path` already.
pub(super) fn copy(connection: &Connection, path: &Path, sql: &str) -> Result<(), StoreError> {
    let name = path.to_str().ok_or_else(|| StoreError::Unavailable("a path must be UTF-8".to_owned()))?;
    if path.exists() {
        return Err(StoreError::Unavailable(format!("{name} exists already")));
    }
    connection.execute("VACUUM INTO ?1", [name])?;
    Connection::open(path)?.execute_batch(sql)?;
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| StoreError::Unavailable(format!("{name}: {error}")))?;
    path.parent().map_or(Ok(()), file::sync_dir)
}
