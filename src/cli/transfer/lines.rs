//! The file, line by line.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use fanfare::store::transfer::{Footer, Header, Row, Total};

use super::notes::Notes;

/// Rows that are put at once, and their bytes; progress is noted after them.
const ROWS: usize = 1_000;
const BYTES: usize = 4 << 20;

/// Longest line.
const LINE: u64 = 64 << 20;

/// What was read of an export so far.
pub(super) struct Lines {
    file: BufReader<File>,
    pub(super) header: Header,
    pub(super) bytes: u64,
    pub(super) total: Total,
}

impl Lines {
    /// Past the first line.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        let first = next(&mut file)?.unwrap_or_default();
        let header = Header::parse(&first).context("this is no export of Fanfare")?;
        let bytes = file.stream_position()?;
        Ok(Self { file, header, bytes, total: Total::default() })
    }

    /// Goes on where the notes end, which must be on this file.
    pub(super) fn skip(&mut self, notes: &Notes) -> anyhow::Result<()> {
        self.file.seek(SeekFrom::Start(notes.bytes))?;
        (self.bytes, self.total) = (notes.bytes, notes.total);
        Ok(())
    }

    /// Some rows, and the last line if it follows them.
    pub(super) fn part(&mut self) -> anyhow::Result<(Vec<Row>, Option<Footer>)> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < ROWS && bytes < BYTES {
            let Some(line) = self.next()? else {
                bail!("the file ends early");
            };
            if line.starts_with(r#"{"total""#) {
                let footer = serde_json::from_str(&line)?;
                ensure!(self.next()?.is_none(), "something follows the last line");
                return Ok((rows, Some(footer)));
            }
            let row: Row = serde_json::from_str(&line)?;
            self.total.add(&row, &line);
            bytes += line.len();
            rows.push(row);
        }
        Ok((rows, None))
    }

    pub(super) fn place(&self) -> String {
        format!("byte {}", self.bytes)
    }

    pub(super) fn next(&mut self) -> anyhow::Result<Option<String>> {
        let line = next(&mut self.file)?;
        self.bytes += line.as_ref().map_or(0, |line| line.len() as u64 + 1);
        Ok(line)
    }
}

fn next(file: &mut BufReader<File>) -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    let read = file.by_ref().take(LINE).read_line(&mut line)?;
    if read == 0 {
        return Ok(None);
    }
    ensure!(line.pop() == Some('\n'), "the file ends early, or a line is too long");
    Ok(Some(line))
}
