//! Out of a store, into a file.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context, ensure};
use fanfare::{
    files,
    store::{
        Store,
        transfer::{self, Footer, Header, Place, Row, Total},
    },
};
use fanfare_proto::UnixMs;

use super::{
    compare::{Changed, compare},
    notes::{Notes, beside},
};

/// Writes everything to `file`, by way of a file beside it, so that `file` is there only if it is whole and was compared
/// with the store. Answers what it holds, and how many events of it a CQL database would not take.
pub(super) async fn run(
    store: &dyn Store,
    now: UnixMs,
    name: &str,
    file: &Path,
) -> anyhow::Result<(Total, u64)> {
    ensure!(!file.exists(), "{} exists already", file.display());
    let (part, notes_path) = (beside(file, ".part"), beside(file, ".progress"));
    let notes = Notes::read(&notes_path, name)?;
    let at = notes.as_ref().map_or(now, |notes| notes.at);
    let mut out = open(&part, Header::new(at), notes.as_ref()).with_context(|| part.display().to_string())?;
    let mut total = notes.as_ref().map_or_else(Total::default, |notes| notes.total);
    let bar = super::bar(None)?;

    let mut place: Option<Option<Place>> = notes.map(|notes| notes.place);
    while place != Some(None) {
        let mut sink = |row: Row| -> anyhow::Result<()> {
            let line = serde_json::to_string(&row)?;
            total.add(&row, &line);
            writeln!(out, "{line}").context("writing the file")?;
            if total.rows().is_multiple_of(1_000) {
                bar.set_message(total.to_string());
            }
            Ok(())
        };
        let next = transfer::export(store, at, place.flatten(), &mut sink).await?;
        out.flush().context("writing the file")?;
        let bytes = out.stream_position()?;
        Notes { store: name.to_owned(), at, bytes, total, place: next.clone() }.write(&notes_path)?;
        place = Some(next);
    }
    bar.set_message("comparing it with the store");
    let compared = compare(store, &part).await;
    if compared.as_ref().is_err_and(anyhow::Error::is::<Changed>) {
        // To go on from here would come to the same.
        fs::remove_file(&notes_path).with_context(|| notes_path.display().to_string())?;
        fs::remove_file(&part).with_context(|| part.display().to_string())?;
    }
    let large = compared?;
    writeln!(out, "{}", serde_json::to_string(&Footer { total })?)?;
    out.into_inner()?.sync_all().context("writing the file")?;
    files::rename(&part, file).with_context(|| file.display().to_string())?;
    fs::remove_file(&notes_path).with_context(|| notes_path.display().to_string())?;
    bar.finish_and_clear();
    Ok((total, large))
}

/// The file as far as it is known to be whole.
fn open(part: &Path, header: Header, notes: Option<&Notes>) -> anyhow::Result<BufWriter<File>> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(notes.is_none()).open(part)?;
    match notes {
        Some(notes) => {
            ensure!(file.metadata()?.len() >= notes.bytes, "it is shorter than it was");
            file.set_len(notes.bytes)?;
            file.seek(SeekFrom::End(0))?;
        }
        None => writeln!(file, "{}", serde_json::to_string(&header)?)?,
    }
    Ok(BufWriter::with_capacity(1 << 20, file))
}
