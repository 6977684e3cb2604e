//! Whether what is written to a database file lasts: whether its files are still those that were opened, and whether
//! writes to them succeed.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::file;
use crate::{limit::LogLimiter, store::StoreError, time::Clock};

/// What SQLite keeps open beside a database.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Bytes that must fit before a store that could not write is taken to work again.
const ROOM: usize = 256 * 1024;

/// The files of a database, as they were when it was opened.
pub(super) struct Files(Vec<(PathBuf, Option<Id>)>);

/// Tells a file from every other: its device and its inode.
type Id = (u64, u64);

impl Files {
    /// Those of a database that is open.
    pub(super) fn new(database: &Path) -> Result<Self, StoreError> {
        let beside = BESIDE.map(|suffix| file::with_suffix(database, suffix));
        let paths = std::iter::once(database.to_owned()).chain(beside);
        let files = paths.map(|path| Ok((id(&path).map_err(|e| file::unavailable(&path, &e))?, path)));
        let files: Result<Vec<_>, StoreError> = files.collect();
        Ok(Self(files?.into_iter().map(|(id, path)| (path, id)).collect()))
    }

    /// Fails where one was removed, or another stands in its place. A few microseconds.
    pub(super) fn check(&mut self) -> Result<(), StoreError> {
        for (path, known) in &mut self.0 {
            let found = id(path).map_err(|error| file::unavailable(path, &error))?;
            match (*known, found) {
                (Some(known), Some(found)) if known == found => {}
                (Some(_), found) => {
                    let what = if found.is_some() { "replaced" } else { "removed" };
                    return Err(StoreError::Unavailable(format!(
                        "{} was {what} while it was in use: nothing is stored until the file is back as it was; \
                         otherwise stop the server and restore a backup",
                        path.display()
                    )));
                }
                // It is made with the first transaction.
                (None, found) => *known = found,
            }
        }
        Ok(())
    }
}

fn id(path: &Path) -> io::Result<Option<Id>> {
    match std::fs::metadata(path) {
        Ok(file) => Ok(Some((file.dev(), file.ino()))),
        // A folder on the way may have become something else.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether a database file takes writes, as far as is known. Shared by its writer and those who ask.
pub(super) struct Health {
    name: PathBuf,
    trouble: Mutex<Option<String>>,
    failures: LogLimiter,
}

impl Health {
    pub(super) fn new(database: &Path) -> Arc<Self> {
        Arc::new(Self { name: database.to_owned(), trouble: Mutex::default(), failures: LogLimiter::new() })
    }

    /// Why nothing can be stored.
    pub(super) fn trouble(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Whether there is room for more than a page.
    pub(super) fn room(&self) -> Result<(), StoreError> {
        let path = file::with_suffix(&self.name, "-probe");
        let written = std::fs::write(&path, vec![0; ROOM]);
        let _ = std::fs::remove_file(&path);
        written.map_err(|error| file::unavailable(&path, &error))
    }

    /// Takes how the last attempt ended. Logs the first failure, one a minute of those that follow, and the end.
    pub(super) fn set(&self, usable: Result<(), StoreError>) {
        let trouble = usable.err().map(|error| error.to_string());
        let before = std::mem::replace(&mut *self.lock(), trouble.clone());
        let file = self.name.display();
        match trouble {
            Some(why) => {
                if let Some(left_out) = self.failures.allow(Clock::system().elapsed()) {
                    tracing::error!(%file, why, left_out, "nothing can be stored");
                }
            }
            None if before.is_some() => tracing::info!(%file, "writes are stored again"),
            None => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_another_one_is_noticed_until_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let [path, wal, aside] = ["some.db", "some.db-wal", "aside"].map(|name| dir.path().join(name));
        fs::write(&path, "a").unwrap();
        let mut files = Files::new(&path).unwrap();
        assert_eq!(files.check(), Ok(()));
        fs::write(&wal, "b").unwrap();
        assert_eq!(files.check(), Ok(()), "it is made later");
        for file in [&path, &wal] {
            fs::rename(file, &aside).unwrap();
            assert!(files.check().unwrap_err().to_string().contains("removed"));
            fs::write(file, "c").unwrap();
            assert!(files.check().unwrap_err().to_string().contains("replaced"));
            fs::rename(&aside, file).unwrap();
            assert_eq!(files.check(), Ok(()));
        }
        let moved = dir.path().with_extension("moved");
        fs::rename(dir.path(), &moved).unwrap();
        assert!(files.check().is_err());
        fs::rename(&moved, dir.path()).unwrap();
        assert_eq!(files.check(), Ok(()));
    }
}
