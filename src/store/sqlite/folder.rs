//! Whether the files of a data folder belong together: a store that lacks a part of what it was must not begin anew in
//! silence.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::Path,
};

use rusqlite::{Connection, OptionalExtension};

use super::file::{paths, unavailable, with_suffix};
use crate::store::StoreError;

/// Files that are only there once a store has been there.
const LATER: [&str; 2] = ["ticks.db", "core.db-wal"];

/// What is to be done, in the words of an operator.
const ADVICE: &str = "restore a backup (`fanfare restore`), or name another data folder for a new store";

/// Before anything is opened. A folder without files is a new one.
pub(super) fn check(dir: &Path) -> Result<(), StoreError> {
    let (core, ticks) = paths(dir);
    LATER.iter().try_for_each(|name| check_beside(dir, name))?;
    is_whole(&core)?;
    is_whole(&ticks)
}

/// Whether `core.db` is there, where there is a file that is only made after it.
pub fn check_beside(dir: &Path, name: &str) -> Result<(), StoreError> {
    let (core, _) = paths(dir);
    if length(&core)? == 0 && length(&dir.join(name))? > 0 {
        return Err(StoreError::Corrupt(format!(
            "{} is missing or empty, but {name} beside it is not: {ADVICE}",
            core.display()
        )));
    }
    Ok(())
}

/// Once `core.db` is open: whether the folder had a `ticks.db`.
pub(super) fn check_ticks(core: &Connection, dir: &Path) -> Result<(), StoreError> {
    let (_, ticks) = paths(dir);
    let whole: Option<i64> =
        core.query_row("SELECT value FROM meta WHERE name = 'whole'", [], |row| row.get(0)).optional()?;
    if whole.is_some() && length(&ticks)? == 0 {
        return Err(StoreError::Corrupt(format!(
            "{} is missing or empty, but core.db beside it is not: {ADVICE}",
            ticks.display()
        )));
    }
    Ok(())
}

/// Notes that both files have been made.
pub(super) fn set_whole(core: &Connection) -> Result<(), StoreError> {
    core.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('whole', 1)", [])?;
    Ok(())
}

/// A database tells in its first bytes how long it is. Where a log stands beside it, only SQLite knows.
fn is_whole(path: &Path) -> Result<(), StoreError> {
    let length = length(path)?;
    if length == 0 || self::length(&with_suffix(path, "-wal"))? > 0 {
        return Ok(());
    }
    let failed = |error: std::io::Error| unavailable(path, &error);
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(100).read_to_end(&mut head)).map_err(failed)?;
    match told(&head) {
        None => Err(StoreError::Corrupt(format!("{} is not a database: {ADVICE}", path.display()))),
        Some(told) if length < told => Err(StoreError::Corrupt(format!(
            "{} is cut off, it has {length} of {told} bytes: {ADVICE}",
            path.display()
        ))),
        Some(_) => Ok(()),
    }
}

/// The length that a database's header tells, 0 where it does not know; `None`: that is none.
fn told(head: &[u8]) -> Option<u64> {
    let number = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    if !head.starts_with(b"SQLite format 3\0") {
        return None;
    }
    let page = match u16::from_be_bytes(head.get(16..18)?.try_into().ok()?) {
        1 => 65_536,
        size => u64::from(size),
    };
    let (pages, changes, valid_for) = (number(28)?, number(24)?, number(92)?);
    Some(if changes == valid_for { u64::from(pages) * page } else { 0 })
}

/// 0 where there is no such file.
fn length(path: &Path) -> Result<u64, StoreError> {
    match fs::metadata(path) {
        Ok(file) => Ok(file.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(unavailable(path, &error)),
    }
}
