//! Reads tracks from files as people have them: CSV and GPX. What can be read is read; the rest is left out, counted and
//! named by line and column.

mod csv;
mod gpx;
mod input;
mod left_out;
mod lines;
mod name;
mod order;
mod position;
mod when;

use std::{collections::HashSet, fs::File, path::Path};

use anyhow::{anyhow, bail};
use geographiclib_rs::Geodesic;

use self::left_out::LeftOut;
use super::track::{Recorded, Track};

pub(super) use self::when::Zone;

/// Every track of the files, in their order, each with an agent's id of its own. What was left out is told by `tell`.
pub(super) fn tracks(
    paths: &[impl AsRef<Path>],
    zone: Option<&Zone>,
    mut tell: impl FnMut(&str),
) -> anyhow::Result<Vec<Track>> {
    let geodesic = Geodesic::wgs84();
    let mut taken = HashSet::new();
    let (mut tracks, mut failed) = (Vec::new(), Vec::new());
    for path in paths {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut left_out = LeftOut::default();
        let named = file(path, zone, &mut left_out);
        left_out.tell(&name, &mut tell);
        match named {
            Ok(Named(named)) => {
                for (name, points) in named {
                    tracks.extend(Track::new(name::agent(&name, &mut taken)?, points, &geodesic));
                }
            }
            Err(why) => failed.push((name, why)),
        }
    }
    if tracks.is_empty() {
        return Err(match failed.into_iter().next() {
            Some((name, why)) => why.context(name),
            None => anyhow!("there is no track in it"),
        });
    }
    // One file that cannot be read is no reason not to play the others.
    for (name, why) in failed {
        tell(&format!("{name}: left out: {why:#}"));
    }
    Ok(tracks)
}

/// Names, in the order of the file, and what was recorded under them.
#[derive(Debug, Default)]
struct Named(Vec<(String, Vec<Recorded>)>);

fn file(path: &Path, zone: Option<&Zone>, left_out: &mut LeftOut) -> anyhow::Result<Named> {
    let kind = path.extension().unwrap_or_default().to_ascii_lowercase();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let open = || input::utf8(File::open(path)?);
    match kind.to_str() {
        Some("csv" | "txt" | "tsv") => csv::read(open()?, &stem, zone, left_out),
        Some("gpx") => gpx::read(open()?, &stem, left_out),
        _ => bail!("neither .csv nor .gpx"),
    }
}

#[cfg(test)]
mod tests;
