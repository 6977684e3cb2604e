//! Out of a file, into a store.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use fanfare::store::{
    Store,
    transfer::{self, Footer, Header, Row, Total},
};
use fanfare_proto::UnixMs;

use super::notes::{Notes, beside};

/// Rows that are put at once, and their bytes; progress is noted after them.
const ROWS: usize = 1_000;
const BYTES: usize = 4 << 20;

/// Longest line.
const LINE: u64 = 64 << 20;

/// Puts everything in `file` into `store`, which must be empty, and reads it back.
pub(super) async fn run(store: &dyn Store, now: UnixMs, name: &str, file: &Path) -> anyhow::Result<Total> {
    let notes_path = beside(file, ".imported");
    let notes = Notes::read(&notes_path, name)?;
    if notes.is_none() {
        ensure!(
            transfer::is_empty(store).await?,
            "{name} holds data already: import into an empty store only"
        );
    }
    let opened = File::open(file).with_context(|| file.display().to_string())?;
    let bar = super::bar(Some(opened.metadata()?.len()))?;
    let mut lines = Lines::open(opened, notes.as_ref()).with_context(|| file.display().to_string())?;
    let told = loop {
        let (rows, footer) =
            lines.part().with_context(|| format!("{}, {}", file.display(), lines.place()))?;
        transfer::import(store, now, rows)
            .await
            .with_context(|| format!("{}, up to {}", file.display(), lines.place()))?;
        bar.set_position(lines.bytes);
        bar.set_message(lines.total.to_string());
        if let Some(footer) = footer {
            break footer.total;
        }
        let (at, bytes, total) = (lines.header.at, lines.bytes, lines.total);
        Notes { store: name.to_owned(), at, bytes, total, place: None }.write(&notes_path)?;
    };
    ensure!(told == lines.total, "the file is damaged: it says {told}, and holds {}", lines.total);
    bar.set_message("reading it back");
    let there = census(store, lines.header.at).await?;
    ensure!(there == told, "{name} does not hold what the file does: {there} instead of {told}");
    match fs::remove_file(&notes_path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| notes_path.display().to_string());
        }
        _ => {}
    }
    bar.finish_and_clear();
    Ok(told)
}

/// What an export of the store would hold.
async fn census(store: &dyn Store, at: UnixMs) -> anyhow::Result<Total> {
    let (mut total, mut place) = (Total::default(), None);
    let mut sink = |row: Row| -> anyhow::Result<()> {
        total.add(&row, &serde_json::to_string(&row)?);
        Ok(())
    };
    loop {
        place = transfer::export(store, at, place, &mut sink).await?;
        if place.is_none() {
            return Ok(total);
        }
    }
}

/// The file, line by line.
struct Lines {
    file: BufReader<File>,
    header: Header,
    bytes: u64,
    total: Total,
}

impl Lines {
    fn open(file: File, notes: Option<&Notes>) -> anyhow::Result<Self> {
        let (file, header) = (BufReader::with_capacity(1 << 20, file), Header::new(UnixMs(0)));
        let mut lines = Self { file, header, bytes: 0, total: Total::default() };
        let first = lines.next()?.unwrap_or_default();
        lines.header = Header::parse(&first).context("this is no export of Fanfare")?;
        if let Some(notes) = notes {
            lines.file.seek(SeekFrom::Start(notes.bytes))?;
            (lines.bytes, lines.total) = (notes.bytes, notes.total);
        }
        Ok(lines)
    }

    /// Some rows, and the last line if it follows them.
    fn part(&mut self) -> anyhow::Result<(Vec<Row>, Option<Footer>)> {
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

    fn place(&self) -> String {
        format!("byte {}", self.bytes)
    }

    fn next(&mut self) -> anyhow::Result<Option<String>> {
        let mut line = String::new();
        let read = self.file.by_ref().take(LINE).read_line(&mut line)?;
        self.bytes += read as u64;
        if read == 0 {
            return Ok(None);
        }
        ensure!(line.pop() == Some('\n'), "the file ends early, or a line is too long");
        Ok(Some(line))
    }
}
