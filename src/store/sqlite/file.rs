//! Opening the database files: who may, with which settings, and whether they are what they should be.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::store::StoreError;

/// Earlier versions can corrupt a file whose log begins anew while another connection writes.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Marks a file as ours: "FANF".
pub(super) const APPLICATION: i32 = 0x4641_4e46;
/// How long a connection waits for another. Only recovery after a crash makes it wait at all.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// How far a commit goes before it is answered.
#[derive(Clone, Copy)]
pub(super) enum Synchronous {
    /// To the disk: survives power loss.
    Full,
    /// To the operating system: survives the process; power loss may cost the last seconds, but corrupts nothing.
    Normal,
}

/// Makes a folder for what is said and where people were, which is for its owner only. One that exists stays as it is.
pub fn make_dir(dir: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The directory, held so that no other process (and no second store of this one) writes there.
///
/// The directory itself is locked, and a file in it: the file alone could be removed, and another one be locked in its
/// place, and not every file system locks directories.
pub(super) struct Lock {
    _dir: Option<File>,
    _file: File,
}

pub(super) fn lock(dir: &Path) -> Result<Lock, StoreError> {
    let failed = |error: std::io::Error| unavailable(dir, &error);
    make_dir(dir).map_err(failed)?;
    let used = || {
        StoreError::Unavailable(format!(
            "{} is in use by another process: stop that one, or name another data directory",
            dir.display()
        ))
    };
    let itself = File::open(dir).map_err(failed)?;
    let itself = match itself.try_lock() {
        Ok(()) => Some(itself),
        Err(TryLockError::WouldBlock) => return Err(used()),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(dir = %dir.display(), %error, "this folder cannot be locked, only a file in it");
            None
        }
    };
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| unavailable(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _dir: itself, _file: file }),
        Err(TryLockError::WouldBlock) => Err(used()),
        Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
    }
}

/// Opens a file to write, creates or migrates it.
pub(super) fn writer(path: &Path, migrations: &[&str], sync: Synchronous) -> Result<Connection, StoreError> {
    check_sqlite(rusqlite::version_number())?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = open(path, flags)?;
    prepare(&mut connection, path, migrations, sync).map_err(|error| named(path, error))?;
    Ok(connection)
}

/// Opens a file to read. Its writer must have been opened before.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let settings = "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; PRAGMA cell_size_check = ON;";
    connection.execute_batch(settings).map_err(|error| named(path, error.into()))?;
    Ok(connection)
}

/// Makes sure that the names of new files are on the disk as well.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| unavailable(dir, &error))
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| named(path, error.into()))?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn prepare(
    connection: &mut Connection,
    path: &Path,
    migrations: &[&str],
    sync: Synchronous,
) -> Result<(), StoreError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if !is_ours(connection)? && (tables > 0 || application(connection)? != 0) {
        return Err(foreign());
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!("cannot use a write-ahead log here (got {mode:?})")));
    }
    let sync = match sync {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    connection.execute_batch(&format!(
        "PRAGMA synchronous = {sync};
         PRAGMA fullfsync = ON;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384;
         PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF;"
    ))?;
    migrate(connection, path, migrations)
}

fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), StoreError> {
    let from = version(connection, migrations.len())?;
    for (step, sql) in migrations.iter().enumerate().skip(from) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step as i64 + 1)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.commit()?;
        tracing::info!(file = %path.display(), version = step + 1, "schema brought forward");
    }
    Ok(())
}

/// Whether what was opened to be copied is a database of ours that this program knows, of at most version `known`.
pub(super) fn check(connection: &Connection, known: usize) -> Result<(), StoreError> {
    if is_ours(connection)? { version(connection, known).map(drop) } else { Err(foreign()) }
}

fn is_ours(connection: &Connection) -> Result<bool, StoreError> {
    Ok(application(connection)? == APPLICATION)
}

fn application(connection: &Connection) -> Result<i32, StoreError> {
    Ok(connection.pragma_query_value(None, "application_id", |row| row.get(0))?)
}

fn foreign() -> StoreError {
    StoreError::Corrupt("is a database, but not one of Fanfare".to_owned())
}

/// The version of a file's tables.
fn version(connection: &Connection, known: usize) -> Result<usize, StoreError> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(StoreError::Unavailable(format!(
            "has schema version {version}, this program knows up to {known}: it was written by a newer one"
        ))),
    }
}

fn check_sqlite(version: i32) -> Result<(), StoreError> {
    if version < OLDEST_SQLITE {
        return Err(StoreError::Unavailable(format!(
            "SQLite {version} can damage files; at least {OLDEST_SQLITE} is needed"
        )));
    }
    Ok(())
}

pub(super) fn named(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{}: {why}", path.display())),
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("{}: {why}", path.display())),
        other => other,
    }
}

pub(super) fn unavailable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

/// The two database files of a data directory.
pub(super) fn paths(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join("core.db"), dir.join("ticks.db"))
}

/// A file beside another.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_is_brought_forward_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.db");
        let steps = ["CREATE TABLE a (x); INSERT INTO a VALUES (1)", "ALTER TABLE a ADD COLUMN y DEFAULT 2"];
        let sums = |steps: &[&str]| {
            let db = writer(&path, steps, Synchronous::Full)?;
            Ok::<i64, StoreError>(db.query_row("SELECT sum(x + y) FROM a", [], |row| row.get(0))?)
        };
        assert!(writer(&path, &steps[..1], Synchronous::Full).is_ok());
        assert_eq!((sums(&steps), sums(&steps)), (Ok(3), Ok(3)));
        // A step that fails leaves the file as it was.
        let broken = ["", "", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)"];
        assert!(sums(&broken).is_err());
        assert_eq!(sums(&steps), Ok(3));
        let newer = sums(&steps[..1]).unwrap_err().to_string();
        assert!(newer.contains("some.db") && newer.contains("schema version 2"), "{newer}");
    }

    #[test]
    fn an_affected_sqlite_is_refused() {
        assert!(check_sqlite(3_051_002).is_err());
        assert!(check_sqlite(rusqlite::version_number()).is_ok());
    }
}
