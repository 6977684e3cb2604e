//! Copies of a data folder's databases, taken while a server writes them, and put back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{
    file::{self, with_suffix},
    schema,
};
use crate::store::StoreError;

/// The names of a database's files: itself, and those that SQLite may leave beside it.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is something where the copy should be.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// There is nothing to copy.
    #[error("{0} holds no database of Fanfare")]
    Missing(PathBuf),
    /// What would be lost is not asked for.
    #[error("{0} holds a database already")]
    Occupied(PathBuf),
    /// A file or folder cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A database cannot be opened or copied, or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the databases in `dir` into the new folder `into`, which is there only once the copy is whole and on the
/// disk. Answers its bytes. A server that runs on `dir` goes on meanwhile. Blocks.
///
/// Each database is copied as it stands at one moment. The copy has no epoch: opened, it begins a new one, as clients
/// may have seen events that it lacks.
pub fn backup(dir: &Path, into: &Path) -> Result<u64, CopyError> {
    if into.exists() {
        return Err(CopyError::Exists(into.to_owned()));
    }
    let part = with_suffix(into, ".part");
    let bytes = copy(dir, &part)?;
    fs::rename(&part, into).map_err(at(into))?;
    sync_parent(into)?;
    Ok(bytes)
}

/// Puts the copy in `from` into the data folder `dir`, on which no server may run. Blocks.
///
/// Databases that are there already stay as they are, and the answer is [`CopyError::Occupied`]; with `replace` they
/// are moved into a new folder within `dir`, which is the answer then.
pub fn restore(from: &Path, dir: &Path, replace: bool) -> Result<Option<PathBuf>, CopyError> {
    let _lock = file::lock(dir)?;
    let (core, ticks) = file::paths(dir);
    let files = [core, ticks].into_iter().flat_map(|path| SUFFIXES.map(|suffix| with_suffix(&path, suffix)));
    let there: Vec<_> = files.filter(|file| file.exists()).collect();
    if !there.is_empty() && !replace {
        return Err(CopyError::Occupied(dir.to_owned()));
    }
    // The copy is whole, and known to be good, before what is there is touched.
    let part = dir.join("restore.part");
    copy(from, &part)?;
    let aside = if there.is_empty() { None } else { Some(set_aside(&there, dir)?) };
    let ((new_core, new_ticks), (core, ticks)) = (file::paths(&part), file::paths(dir));
    for (new, path) in [(new_ticks, ticks), (new_core, core)] {
        fs::rename(new, &path).map_err(at(&path))?;
    }
    fs::remove_dir(&part).map_err(at(&part))?;
    file::sync_dir(dir)?;
    Ok(aside)
}

/// Copies both databases into `part`, which is made anew.
fn copy(dir: &Path, part: &Path) -> Result<u64, CopyError> {
    match fs::remove_dir_all(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(part)(error)),
        _ => file::make_dir(part).map_err(at(part))?,
    }
    let ((core, ticks), (new_core, new_ticks)) = (file::paths(dir), file::paths(part));
    if !core.is_file() || !ticks.is_file() {
        fs::remove_dir(part).map_err(at(part))?;
        return Err(CopyError::Missing(dir.to_owned()));
    }
    let epochless = "DELETE FROM meta WHERE name = 'epoch'";
    let mut bytes = 0;
    for (from, to, known, sql) in
        [(core, new_core, schema::CORE.len(), epochless), (ticks, new_ticks, schema::TICKS.len(), "")]
    {
        bytes += copy_file(&from, &to, known, sql)?;
    }
    file::sync_dir(part)?;
    Ok(bytes)
}

fn copy_file(from: &Path, to: &Path, known: usize, sql: &str) -> Result<u64, CopyError> {
    let source = file::reader(from)?;
    copy_database(&source, to, known, sql).map_err(|error| file::named(from, error))?;
    let synced = fs::File::open(to).and_then(|file| file.sync_all().and_then(|()| file.metadata()));
    Ok(synced.map_err(at(to))?.len())
}

fn copy_database(source: &Connection, to: &Path, known: usize, sql: &str) -> Result<(), StoreError> {
    file::check(source, known)?;
    let name = to.to_str().ok_or_else(|| StoreError::Unavailable("a path must be UTF-8".to_owned()))?;
    source.execute("VACUUM INTO ?1", [name])?;
    let copy = Connection::open(to)?;
    copy.execute_batch(sql)?;
    let found: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
}

/// Moves files into a folder of `dir` that did not exist before.
fn set_aside(files: &[PathBuf], dir: &Path) -> Result<PathBuf, CopyError> {
    let free = |n: &u32| !dir.join(format!("replaced-{n}")).exists();
    let number = (1..=u32::MAX).find(free).unwrap_or_default();
    let aside = dir.join(format!("replaced-{number}"));
    fs::create_dir(&aside).map_err(at(&aside))?;
    for file in files {
        let name = file.file_name().unwrap_or_default();
        fs::rename(file, aside.join(name)).map_err(at(file))?;
    }
    file::sync_dir(&aside)?;
    Ok(aside)
}

fn sync_parent(path: &Path) -> Result<(), CopyError> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => Ok(file::sync_dir(parent)?),
        _ => Ok(file::sync_dir(Path::new("."))?),
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> CopyError {
    let path = path.to_owned();
    move |error| CopyError::File { path: path.clone(), error }
}
