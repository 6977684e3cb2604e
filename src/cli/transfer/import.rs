//! Out of a file, into a store.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use fanfare::store::{
    Store,
    transfer::{self, Row, Total},
};
use fanfare_proto::UnixMs;

use super::{
    lines::Lines,
    notes::{Notes, beside},
};

/// Puts everything in `file` into `store`, which must be empty, and reads it back.
pub(super) async fn run(store: &dyn Store, now: UnixMs, name: &str, file: &Path) -> anyhow::Result<Total> {
    let notes_path = beside(file, ".imported");
    let mut lines = Lines::open(file).with_context(|| file.display().to_string())?;
    if let Some(notes) = Notes::read(&notes_path, name)? {
        ensure!(
            notes.at == lines.header.at,
            "{} is of an import of another export than {}: finish that one, or remove it and import into an \
             empty store",
            notes_path.display(),
            file.display()
        );
        lines.skip(&notes)?;
    } else {
        ensure!(
            transfer::is_empty(store).await?,
            "{name} holds data already: import into an empty store only"
        );
    }
    let bar = super::bar(Some(fs::metadata(file)?.len()))?;
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
