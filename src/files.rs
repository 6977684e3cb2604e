//! Small files that are written once and must be whole: keys, secrets, notes of progress.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Writes a file that only its owner may read, or replaces it, in one step: whatever happens, the old content or the new
/// one is there. On the disk when this answers.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = draft(path);
    let written = fill(&draft, content).and_then(|()| rename(&draft, path));
    if written.is_err() {
        // A full disk has no room for what nobody reads.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// Gives a file, which is on the disk, another name in the same folder.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_name(to)
}

/// The same, unless the file is there already: then it stays as it is, and the answer is `false`. Of several who do this at
/// the same time, one writes.
pub fn write_new(path: &Path, content: &[u8]) -> io::Result<bool> {
    let draft = draft(path);
    let written = fill(&draft, content).and_then(|()| match fs::hard_link(&draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        // Not every file system has links.
        Err(_) if path.exists() => Ok(false),
        Err(_) => fs::rename(&draft, path).map(|()| true),
    });
    let _ = fs::remove_file(&draft);
    let written = written?;
    sync_name(path)?;
    Ok(written)
}

/// Its name is this process' own.
fn draft(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    name.into()
}

fn fill(draft: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Without this a power cut may take the name again.
fn sync_name(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert!(!write_new(&path, b"three").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_new(&dir.path().join("b.key"), b"four").unwrap());
        // Where it cannot be written, nothing is left behind.
        let full = Path::new("/dev/full");
        if full.exists() {
            let link = draft(&path);
            std::os::unix::fs::symlink(full, &link).unwrap();
            assert!(write(&path, b"five").is_err());
            assert_eq!(fs::read(&path).unwrap(), b"two");
            std::os::unix::fs::symlink(full, &link).unwrap();
            assert!(write_new(&dir.path().join("a.key"), b"six").is_err());
        }
        let left: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}
